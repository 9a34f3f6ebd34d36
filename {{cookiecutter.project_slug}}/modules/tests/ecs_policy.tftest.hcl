# Who may do what, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name = "maps-dev"
  services = {
    ows = {
      chamber_services = ["maps-dev"]
      image            = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/maps/ows@sha256:0123"
      log_group        = "/maps-dev/apps/ows"
    }
    tiles = {
      chamber_services = ["tiles"]
      image            = "ghcr.io/opendatacube/tiles@sha256:0123"
      log_group        = "/maps-dev/apps/tiles"
      policy           = ["{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"sqs:SendMessage\",\"Resource\":\"*\"}}", "{\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"sqs:*\",\"Resource\":\"*\"}]}"]
    }
  }
}

run "a_service_reads_its_own_secrets_only" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  assert {
    condition = alltrue([
      for service, needs in var.services : jsondecode(aws_iam_role_policy.access_to_ssm[service].policy) == {
        Version = "2012-10-17"
        Statement = [
          {
            Sid      = "ReadItsSecrets"
            Effect   = "Allow"
            Action   = ["ssm:GetParametersByPath", "ssm:GetParameters"]
            Resource = ["arn:aws:ssm:ap-southeast-2:123456789012:parameter/${one(needs.chamber_services)}", "arn:aws:ssm:ap-southeast-2:123456789012:parameter/${one(needs.chamber_services)}/*"]
          },
          {
            Sid      = "DecryptThem"
            Effect   = "Allow"
            Action   = "kms:Decrypt"
            Resource = "arn:aws:kms:ap-southeast-2:123456789012:key/mock"
            Condition = {
              StringEquals = { "kms:ViaService" = "ssm.ap-southeast-2.amazonaws.com" }
              StringLike   = { "kms:EncryptionContext:PARAMETER_ARN" = ["arn:aws:ssm:ap-southeast-2:123456789012:parameter/${one(needs.chamber_services)}/*"] }
            }
          },
        ]
      }
    ])
    error_message = "The path and what is below it, not that of administration; the key for these, through the parameter store."
  }
}

run "without_buckets_and_file_system_there_is_no_right_to_any" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  assert {
    condition     = length(aws_iam_role_policy.read_buckets) == 0 && length(aws_iam_role_policy.mount_file_system) == 0
    error_message = "Nothing that was not asked for."
  }
}

run "buckets_are_read_and_never_written" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    data_buckets = ["dea-public-data/baseline/", "mine"]
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.read_buckets["ows"].policy).Statement == [
      { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::dea-public-data/baseline/*" },
      { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::dea-public-data", Condition = { StringLike = { "s3:prefix" = "baseline/*" } } },
      { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::mine/*" },
      { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::mine" },
    ]
    error_message = "The folder of the one, the whole of the other."
  }
}

run "the_file_system_is_entered_by_its_access_point" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    file_system = { arn = "arn:fs", access_point_arn = "arn:ap" }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.mount_file_system["ows"].policy).Statement == [{
      Effect    = "Allow"
      Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
      Resource  = "arn:fs"
      Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = "arn:ap" } }
    }]
    error_message = "One door, and never as root."
  }
}

run "ecs_pulls_from_the_services_repositories_and_writes_their_logs" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.execution.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "WriteTheLogs"
          Effect = "Allow"
          Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = [
            "arn:aws:logs:ap-southeast-2:123456789012:log-group:/maps-dev/apps/ows:*",
            "arn:aws:logs:ap-southeast-2:123456789012:log-group:/maps-dev/apps/tiles:*",
          ]
        },
        {
          Sid      = "PullTheImages"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = ["arn:aws:ecr:ap-southeast-2:123456789012:repository/maps/ows"]
        },
        { Sid = "LogIn", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
      ]
    }
    error_message = "Both logs and the repository in ECR, by name; GHCR is none of AWS's."
  }
}

run "ecs_reads_the_registry_s_login_and_no_other_secret" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    services = {
      ows = {
        chamber_services     = ["maps-dev"]
        image                = "ghcr.io/maps/ows@sha256:0123"
        log_group            = "/maps-dev/apps/ows"
        registry_credentials = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ghcr-a1b2c3"
      }
      jobs = {
        chamber_services     = ["maps-dev-admin"]
        image                = "ghcr.io/maps/ows@sha256:0123"
        log_group            = "/maps-dev/apps/jobs"
        registry_credentials = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ghcr-a1b2c3"
      }
      tiles = { chamber_services = ["tiles"], image = "quay.io/tiles@sha256:0123", log_group = "/maps-dev/apps/tiles" }
    }
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement if statement.Sid != "WriteTheLogs"
      ] == [{
        Sid      = "ReadTheRegistrysLogin"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ghcr-a1b2c3"]
    }]
    error_message = "That secret, once, and nothing else."
  }
}

run "a_login_that_is_more_than_one_secret" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    services = { ows = { chamber_services = ["maps"], image = "x", log_group = "/x", registry_credentials = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:*" } }
  }

  expect_failures = [var.services]
}

run "a_service_brings_its_own_policies" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  assert {
    condition = { for service, own in aws_iam_role_policy.own : service => jsondecode(own.policy).Statement } == {
      tiles = [{ Effect = "Allow", Action = "sqs:SendMessage", Resource = "*" }, { Effect = "Deny", Action = "sqs:*", Resource = "*" }]
    }
    error_message = "Two documents, one policy, for that service."
  }
}

run "roles_are_for_tasks_of_this_account_and_bear_the_region" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  assert {
    condition = alltrue([
      for role in concat(values(aws_iam_role.task), [aws_iam_role.execution]) : jsondecode(role.assume_role_policy) == {
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Action    = "sts:AssumeRole"
          Principal = { Service = "ecs-tasks.amazonaws.com" }
          Condition = {
            StringEquals = { "aws:SourceAccount" = "123456789012" }
            ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:ap-southeast-2:123456789012:*" }
          }
        }]
      }
    ])
    error_message = "No other account's tasks, and nothing but tasks."
  }

  assert {
    condition     = aws_iam_role.task["ows"].name == "maps-dev-ap-southeast-2-task-ows" && aws_iam_role.execution.name == "maps-dev-ap-southeast-2-execution"
    error_message = "IAM names are not regional."
  }
}

run "role_names_over_64_characters_are_shortened" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    name = "a-cluster-of-28-characters-x-workspace-of-16c"
  }

  assert {
    condition     = length(aws_iam_role.task["tiles"].name) == 32 && aws_iam_role.task["tiles"].name != aws_iam_role.task["ows"].name && length(aws_iam_role.execution.name) == 32
    error_message = "Within IAM's limit, still each its own."
  }
}

run "another_alias_is_another_key" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    parameter_store_key_alias = "alias/another_key"
  }

  assert {
    condition     = aws_kms_alias.parameter_store_key.name == "alias/another_key"
    error_message = "The alias that was named."
  }
}

run "values_that_aws_refuses" {
  command = plan

  module {
    source = "./modules/ecs_policy"
  }

  variables {
    parameter_store_key_alias = "alias/aws/ssm"
    data_buckets              = ["s3://dea-public-data"]
    services                  = { ows = { chamber_services = ["maps"], image = "x", log_group = "/x", policy = ["not JSON"] } }
  }

  expect_failures = [var.parameter_store_key_alias, var.data_buckets, var.services]
}
