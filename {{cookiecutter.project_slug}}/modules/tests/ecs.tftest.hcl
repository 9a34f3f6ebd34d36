# A service, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                  = "maps-dev-ows"
  family                = "maps-dev-ows"
  cluster               = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/maps-dev"
  capacity_provider     = "cp-maps-dev"
  cpu_architecture      = "ARM64"
  desired_count         = 2
  container_definitions = "[{\"name\":\"ows\",\"image\":\"ows@sha256:0123\",\"memory\":512,\"portMappings\":[{\"containerPort\":8000,\"hostPort\":0}]}]"
  container_name        = "ows"
  container_port        = 8000
  target_group_arn      = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/maps-dev-ows/1"
  task_role_arn         = "arn:aws:iam::123456789012:role/task"
  execution_role_arn    = "arn:aws:iam::123456789012:role/execution"
  log_group             = "/maps-dev/apps/ows"
}

run "a_bad_deployment_rolls_back_and_nobody_notices" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  assert {
    condition     = aws_ecs_service.service.deployment_circuit_breaker[0].enable && aws_ecs_service.service.deployment_circuit_breaker[0].rollback
    error_message = "The circuit breaker."
  }

  assert {
    condition     = aws_ecs_service.service.deployment_minimum_healthy_percent == 100 && aws_ecs_service.service.deployment_maximum_percent == 200 && aws_ecs_service.service.health_check_grace_period_seconds >= 120
    error_message = "Old tasks stay until the new ones are healthy."
  }

  assert {
    condition     = aws_ecs_task_definition.service-task.skip_destroy
    error_message = "The earlier revision stays, to go back to."
  }
}

run "the_service_runs_where_and_as_it_is_told" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  assert {
    condition     = aws_ecs_service.service.cluster == var.cluster && one(aws_ecs_service.service.capacity_provider_strategy).capacity_provider == "cp-maps-dev" && aws_ecs_service.service.desired_count == 2
    error_message = "Cluster, capacity provider, number of tasks."
  }

  assert {
    condition     = one(aws_ecs_service.service.load_balancer).target_group_arn == var.target_group_arn && one(aws_ecs_service.service.load_balancer).container_port == 8000
    error_message = "Its target group."
  }

  assert {
    condition     = aws_ecs_task_definition.service-task.task_role_arn == var.task_role_arn && aws_ecs_task_definition.service-task.execution_role_arn == var.execution_role_arn
    error_message = "Two roles, each in its place."
  }

  assert {
    condition     = aws_ecs_task_definition.service-task.network_mode == "bridge" && one(aws_ecs_task_definition.service-task.runtime_platform).cpu_architecture == "ARM64"
    error_message = "Network and architecture."
  }

  assert {
    condition     = aws_cloudwatch_log_group.service.name == "/maps-dev/apps/ows" && length(aws_ecs_task_definition.service-task.volume) == 0
    error_message = "Its log, and no volume that nobody asked for."
  }

  assert {
    condition     = [for strategy in aws_ecs_service.service.ordered_placement_strategy : strategy.field] == ["attribute:ecs.availability-zone", "memory"]
    error_message = "Over the zones first, then on as few instances as hold them."
  }

  assert {
    condition     = aws_ecs_task_definition.service-task.container_definitions == var.container_definitions && aws_ecs_task_definition.service-task.requires_compatibilities == toset(["EC2"])
    error_message = "The developer's own containers, on the instances."
  }

  assert {
    condition     = aws_ecs_service.service.propagate_tags == "SERVICE" && aws_ecs_service.service.enable_ecs_managed_tags
    error_message = "A task bears the tags of its service."
  }
}

run "the_file_system_is_mounted_encrypted_and_as_the_role" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  variables {
    file_system = { id = "fs-1", access_point_id = "fsap-1" }
  }

  assert {
    condition     = one(aws_ecs_task_definition.service-task.volume).name == "data" && length(one(aws_ecs_task_definition.service-task.volume).efs_volume_configuration) == 1
    error_message = "The volume that the mountPoints name, and EFS behind it: without, Docker makes an empty one."
  }

  assert {
    condition = [
      for efs in one(aws_ecs_task_definition.service-task.volume).efs_volume_configuration :
      [efs.file_system_id, efs.transit_encryption, efs.authorization_config[0].access_point_id, efs.authorization_config[0].iam]
    ] == [["fs-1", "ENABLED", "fsap-1", "ENABLED"]]
    error_message = "The file system, TLS, the access point, IAM."
  }
}

run "a_task_definition_without_the_container_that_is_asked" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  variables {
    container_name = "wms"
  }

  expect_failures = [var.container_name]
}

run "or_with_another_port" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  variables {
    container_port = 80
  }

  expect_failures = [var.container_name]
}

run "values_that_ecs_refuses" {
  command = plan

  module {
    source = "./modules/ecs"
  }

  variables {
    name                  = "maps dev"
    cluster               = "maps-dev"
    cpu_architecture      = "arm64"
    desired_count         = -1
    container_definitions = "not JSON"
  }

  expect_failures = [var.name, var.cluster, var.cpu_architecture, var.desired_count, var.container_definitions]
}
