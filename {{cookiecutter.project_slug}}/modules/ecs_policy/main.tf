# The key under which chamber encrypts, and who may do what: for each service, and for the jobs, a task role (what
# the application may: its own secrets, its data); for all of them one execution role (what ECS does for them: pull
# the image, write the log).

data "aws_region" "current" {}
data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

locals {
  region    = data.aws_region.current.name
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id

  parameters = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter"

  # IAM names are not regional. Over AWS's 64 characters: the first 24, and 7 digits of the whole name's SHA-1.
  full_role_names = merge(
    { for service in keys(var.services) : "task/${service}" => "${var.name}-${local.region}-task-${service}" },
    { execution = "${var.name}-${local.region}-execution" },
  )
  role_names = {
    for role, name in local.full_role_names :
    role => length(name) <= 64 ? name : "${substr(name, 0, 24)}-${substr(sha1(name), 0, 7)}"
  }

  # only ECS, and only for tasks of this account and region, takes these roles
  assumed_by_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })
}

# Other projects of the account encrypt with this key too. It is adopted, never made and never changed: the
# bootstrap task makes it where there is none. To remove a project, its state forgets the key first: until then
# a `terraform destroy` stops before it touches anything.
resource "aws_kms_key" "parameter_store_key" {
  enable_key_rotation = true # for whoever uses this module without the tasks

  lifecycle {
    prevent_destroy = true

    ignore_changes = [
      tags,
      tags_all,
      description,
      policy,
      enable_key_rotation,
      rotation_period_in_days,
      deletion_window_in_days,
      bypass_policy_lockout_safety_check,
    ]
  }
}

resource "aws_kms_alias" "parameter_store_key" {
  name          = var.parameter_store_key_alias
  target_key_id = aws_kms_key.parameter_store_key.key_id

  lifecycle {
    prevent_destroy = true
  }
}
