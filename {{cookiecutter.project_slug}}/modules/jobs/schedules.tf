# The clock: a schedule for each job that has one, and the role with which the scheduler starts it.

data "aws_region" "current" {}
data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

locals {
  scheduled = { for job, settings in var.jobs : job => settings if settings.schedule != null }
  place     = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  # IAM names are not regional. Over AWS's 64 characters: the first 24, and 7 digits of the whole name's SHA-1.
  full_role_name = "${var.name}-${data.aws_region.current.name}-scheduler"
  role_name      = length(local.full_role_name) <= 64 ? local.full_role_name : "${substr(local.full_role_name, 0, 24)}-${substr(sha1(local.full_role_name), 0, 7)}"
}

resource "aws_scheduler_schedule" "job" {
  for_each = local.scheduled

  name                         = "${var.name}-${each.key}"
  description                  = "Starts the job ${each.key}"
  schedule_expression          = each.value.schedule
  schedule_expression_timezone = each.value.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.cluster
    role_arn = aws_iam_role.scheduler[0].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.job[each.key].arn
      propagate_tags      = "TASK_DEFINITION"

      # with a capacity provider a task waits for a machine; with a launch type it would be skipped, silently
      capacity_provider_strategy {
        capacity_provider = var.capacity_provider
        weight            = 1
      }
    }

    # Starting twice is worse than starting late.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}

resource "aws_iam_role" "scheduler" {
  count = length(local.scheduled) > 0 ? 1 : 0

  name = local.role_name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  count = length(local.scheduled) > 0 ? 1 : 0

  name = "start-jobs"
  role = aws_iam_role.scheduler[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "StartTheJobs"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = [for job in keys(local.scheduled) : "arn:${data.aws_partition.current.partition}:ecs:${local.place}:task-definition/${var.name}-job-${job}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster } }
      },
      {
        Sid       = "TagThem"
        Effect    = "Allow"
        Action    = "ecs:TagResource"
        Resource  = "arn:${data.aws_partition.current.partition}:ecs:${local.place}:task/*"
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid       = "HandThemTheirRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [var.task_role_arn, var.execution_role_arn]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}
