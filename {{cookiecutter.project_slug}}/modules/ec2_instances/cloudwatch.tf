# The six logs of a host. Each group is a resource of its own name, because that is the address under which
# an existing group is imported: module.ec2_instances.aws_cloudwatch_log_group.dmesg
#
# With an empty prefix other projects may write to them, too: an adopted group keeps its tags, which say whose it is,
# and its encryption.

locals {
  # file on the instance -> log group, for the CloudWatch agent; names known before the groups are
  log_files = {
    for file in [
      "/var/log/dmesg",
      "/var/log/docker",
      "/var/log/ecs/ecs-agent.log",
      "/var/log/ecs/ecs-init.log",
      "/var/log/ecs/audit.log",
      "/var/log/messages",
    ] : file => "${var.cloudwatch_prefix}${file}"
  }
}

resource "aws_cloudwatch_log_group" "dmesg" {
  name              = local.log_files["/var/log/dmesg"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/dmesg"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_cloudwatch_log_group" "docker" {
  name              = local.log_files["/var/log/docker"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/docker"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_cloudwatch_log_group" "ecs-agent" {
  name              = local.log_files["/var/log/ecs/ecs-agent.log"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/ecs/ecs-agent.log"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_cloudwatch_log_group" "ecs-init" {
  name              = local.log_files["/var/log/ecs/ecs-init.log"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/ecs/ecs-init.log"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_cloudwatch_log_group" "audit" {
  name              = local.log_files["/var/log/ecs/audit.log"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/ecs/audit.log"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_cloudwatch_log_group" "messages" {
  name              = local.log_files["/var/log/messages"]
  retention_in_days = lookup(var.kept_log_retention, local.log_files["/var/log/messages"], var.log_retention_days)

  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}
