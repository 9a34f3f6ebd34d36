# One ECS service: its log, its task definition (the container definitions are the developer's own JSON), and
# the service that keeps the wanted number of tasks running behind its load balancer.

resource "aws_cloudwatch_log_group" "service" {
  name              = var.log_group
  retention_in_days = var.log_retention_days

  # One that was found keeps its tags, which say whose it is, and its encryption.
  lifecycle {
    ignore_changes = [tags, tags_all, kms_key_id]
  }
}

resource "aws_ecs_task_definition" "service-task" {
  family                   = var.family
  container_definitions    = var.container_definitions
  network_mode             = "bridge" # no network interface a task: a small instance has only three
  requires_compatibilities = ["EC2"]
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn

  # A revision outlives its successor's birth: ECS rolls back to it, and so may people.
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

  depends_on = [aws_cloudwatch_log_group.service]
}

resource "aws_ecs_service" "service" {
  name            = var.name
  cluster         = var.cluster
  task_definition = coalesce(var.held_task_definition, aws_ecs_task_definition.service-task.arn)
  desired_count   = var.desired_count

  capacity_provider_strategy {
    capacity_provider = var.capacity_provider
    weight            = 1
  }

  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }

  ordered_placement_strategy {
    type  = "binpack"
    field = "memory"
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.container_name
    container_port   = var.container_port
  }

  # The old tasks go when the new ones are healthy; if those never are, ECS goes back to the old ones.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.health_check_grace_period

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  enable_execute_command  = var.enable_execute_command
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
}
