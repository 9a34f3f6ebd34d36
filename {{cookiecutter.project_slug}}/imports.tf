# What may be older than this stack and outlive it is adopted where it is found, and made where it is not. A
# resource that the state holds already is left alone by its `import` block, so all of this stays here for good.

# Chamber's key is never made here: `invoke bootstrap` makes key and alias where they are missing.

data "aws_kms_alias" "parameter_store_key" {
  name = var.parameter_store_key_alias
}

import {
  to = module.ecs_policy.aws_kms_key.parameter_store_key
  id = data.aws_kms_alias.parameter_store_key.target_key_id
}

import {
  to = module.ecs_policy.aws_kms_alias.parameter_store_key
  id = var.parameter_store_key_alias
}

# Log groups: those of an old deployment or of one that was destroyed, those that another project made under the
# same prefix, and those that RDS made by itself.

data "aws_cloudwatch_log_groups" "there" {
  for_each = {
    hosts      = "${local.cloudwatch_prefix}/var/log/"
    containers = "${local.app_log_prefix}/apps/"
    database   = "/aws/rds/instance/${local.name}/"
  }

  log_group_name_prefix = each.value
}

locals {
  log_groups_there = toset(flatten([for found in data.aws_cloudwatch_log_groups.there : tolist(found.log_group_names)]))

  host_log_groups = {
    for log in ["dmesg", "docker", "ecs/ecs-agent.log", "ecs/ecs-init.log", "ecs/audit.log", "messages"] :
    log => "${local.cloudwatch_prefix}/var/log/${log}"
  }
  app_log_groups = concat(values(local.services)[*].log_group, [local.administration.log_group])

  # Two projects on one group must not change it back and forth. It obeys the one whose tags it bears, and each of
  # the others takes what it finds.
  kept_log_retention = {
    for name, group in data.aws_cloudwatch_log_group.adopted : name => group.retention_in_days
    if lookup(group.tags, "Project", "") != local.project.slug || lookup(group.tags, "Workspace", "") != var.workspace
  }
}

data "aws_cloudwatch_log_group" "adopted" {
  for_each = setintersection(local.log_groups_there, concat(values(local.host_log_groups), local.app_log_groups))

  name = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["dmesg"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.dmesg
  id       = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["docker"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.docker
  id       = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["ecs/ecs-agent.log"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.ecs-agent
  id       = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["ecs/ecs-init.log"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.ecs-init
  id       = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["ecs/audit.log"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.audit
  id       = each.key
}

import {
  for_each = setintersection(local.log_groups_there, [local.host_log_groups["messages"]])
  to       = module.ec2_instances.aws_cloudwatch_log_group.messages
  id       = each.key
}

import {
  for_each = { for key, service in local.services : key => service.log_group if contains(local.log_groups_there, service.log_group) }
  to       = module.ecs[each.key].aws_cloudwatch_log_group.service
  id       = each.value
}

import {
  for_each = setintersection(local.log_groups_there, [local.administration.log_group])
  to       = module.jobs.aws_cloudwatch_log_group.jobs
  id       = each.key
}

import {
  for_each = {
    for export in var.db_log_exports : export => "/aws/rds/instance/${local.name}/${export}"
    if contains(local.log_groups_there, "/aws/rds/instance/${local.name}/${export}")
  }
  to = module.database_layer.aws_cloudwatch_log_group.exports[each.key]
  id = each.value
}
