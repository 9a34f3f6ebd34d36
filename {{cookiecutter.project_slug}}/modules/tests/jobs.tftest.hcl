# Jobs: what runs once, and what the clock starts.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name               = "maps-dev"
  cluster            = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/maps-dev"
  capacity_provider  = "cp-maps-dev"
  cpu_architecture   = "X86_64"
  task_role_arn      = "arn:aws:iam::123456789012:role/jobs"
  execution_role_arn = "arn:aws:iam::123456789012:role/execution"
  log_group          = "/maps-dev/apps/jobs"
  jobs = {
    admin = { container_definitions = "[{\"name\": \"admin\"}]" }
    index = { container_definitions = "[{\"name\": \"index\"}]", schedule = "cron(1 14 * * ? *)", timezone = "Australia/Canberra" }
  }
}

run "only_what_has_a_schedule_is_started_by_the_clock" {
  command = plan

  module {
    source = "./modules/jobs"
  }

  assert {
    condition     = keys(aws_scheduler_schedule.job) == ["index"] && aws_scheduler_schedule.job["index"].schedule_expression_timezone == "Australia/Canberra"
    error_message = "The schedule."
  }

  assert {
    condition     = one(aws_scheduler_schedule.job["index"].target).ecs_parameters[0].launch_type == null
    error_message = "A launch type would skip a job for which there is no room."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.scheduler[0].policy).Statement[0].Resource == ["arn:aws:ecs:ap-southeast-2:123456789012:task-definition/maps-dev-job-index:*"]
    error_message = "The scheduler may start what is scheduled, and only that."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.scheduler[0].policy).Statement[2].Resource == [var.task_role_arn, var.execution_role_arn]
    error_message = "The scheduler hands over both roles."
  }
}

run "without_a_schedule_there_is_no_role_for_one" {
  command = plan

  module {
    source = "./modules/jobs"
  }

  variables {
    jobs = { admin = { container_definitions = "[{\"name\": \"admin\"}]" } }
  }

  assert {
    condition     = length(aws_iam_role.scheduler) == 0 && length(aws_ecs_task_definition.job) == 1
    error_message = "Nothing for the clock to do."
  }
}

run "a_schedule_of_five_fields" {
  command = plan

  module {
    source = "./modules/jobs"
  }

  variables {
    jobs = { index = { container_definitions = "[{\"name\": \"index\"}]", schedule = "cron(1 14 * * *)" } }
  }

  expect_failures = [var.jobs]
}

run "a_container_of_another_name" {
  command = plan

  module {
    source = "./modules/jobs"
  }

  variables {
    jobs = { index = { container_definitions = "[{\"name\": \"web\"}]" } }
  }

  expect_failures = [var.jobs]
}
