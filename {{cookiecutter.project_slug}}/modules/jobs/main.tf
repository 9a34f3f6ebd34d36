# What runs once and ends: the administration of the database, and the project's own jobs. Their task definitions
# are here; `invoke service.run` starts them, and EventBridge Scheduler those that have a schedule.

resource "aws_cloudwatch_log_group" "jobs" {
  name              = var.log_group
  retention_in_days = var.log_retention_days

  # One that was found keeps its tags, which say whose it is, and its encryption.
  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_ecs_task_definition" "job" {
  for_each = var.jobs

  family                   = "${var.name}-job-${each.key}"
  container_definitions    = each.value.container_definitions
  network_mode             = "bridge"
  requires_compatibilities = ["EC2"]
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn

  # A job that was started with it goes on; and a revision says what ran.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = var.file_system == null ? [] : [var.file_system]

    content {
      name = var.volume_name

      efs_volume_configuration {
        file_system_id     = volume.value.id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = volume.value.access_point_id
          iam             = "ENABLED"
        }
      }
    }
  }

  depends_on = [aws_cloudwatch_log_group.jobs]
}
