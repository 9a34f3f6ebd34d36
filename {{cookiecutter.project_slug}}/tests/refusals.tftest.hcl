# What AWS would refuse in the middle of an apply, or would take and regret, is refused by the plan.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target = module.ecs_policy.aws_kms_key.parameter_store_key
}

override_resource {
  target = module.ecs_policy.aws_kms_alias.parameter_store_key
}

variables {
  account             = "123456789012"
  region              = "ap-southeast-2"
  workspace           = "default"
  aws_ami             = "ami-0123456789abcdef0"
  db_password         = "not-a-secret"
  db_password_version = 1
  services            = { ows = {} }
  images              = { ows = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123" }
}

run "values_out_of_range" {
  command = plan

  variables {
    region              = "sydney"
    vpc_cidr            = "10.0.0.0/24"
    zones               = 1
    nat                 = "none"
    jumpbox_cidrs       = ["0.0.0.0/0"]
    aws_ami             = ""
    db_password         = "with/slash"
    db_password_version = 0
    storage             = "nfs"
    log_retention_days  = 31
    cloudwatch_prefix   = "aws/logs"
  }

  expect_failures = [
    var.region, var.vpc_cidr, var.zones, var.nat, var.jumpbox_cidrs, var.aws_ami, var.db_password,
    var.db_password_version, var.storage, var.log_retention_days, var.cloudwatch_prefix,
  ]
}

run "other_values_out_of_range" {
  command = plan

  variables {
    account       = ""
    vpc_cidr      = "10.0.5.0/16"
    zones         = 5
    jumpbox_cidrs = ["10.0.0.0/8", "128.0.0.0/1"]
    aws_ami       = "ami-latest"
    db_password   = "short"
    data_buckets  = ["a-bucket-with-efs"]
  }

  expect_failures = [
    var.account, var.vpc_cidr, var.zones, var.jumpbox_cidrs, var.aws_ami, var.db_password, var.data_buckets,
  ]
}

run "a_certificate_of_another_region" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  expect_failures = [var.certificate_arn]
}

run "a_login_by_its_name" {
  command = plan

  variables {
    registry_credentials = "ghcr"
  }

  expect_failures = [var.registry_credentials]
}

run "a_login_that_is_more_than_one_secret" {
  command = plan

  variables {
    registry_credentials = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:*"
  }

  expect_failures = [var.registry_credentials]
}

run "the_network_of_docker_itself" {
  command = plan

  variables {
    vpc_cidr = "172.17.0.0/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "the_variables_of_another_workspace" {
  command = plan

  variables {
    workspace = "production"
  }

  expect_failures = [var.workspace]
}

run "a_region_with_too_few_zones" {
  command = plan

  variables {
    zones = 4
  }

  expect_failures = [data.aws_availability_zones.available]
}

run "no_service_at_all" {
  command = plan

  variables {
    services = {}
  }

  expect_failures = [var.services]
}

run "a_service_name_that_is_too_long" {
  command = plan

  variables {
    services = { a-name-of-17-char = { image = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123" } }
  }

  expect_failures = [var.services]
}

run "a_service_called_shared" {
  command = plan

  variables {
    services = { shared = { image = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123" } }
  }

  expect_failures = [var.services]
}

run "a_service_without_an_image" {
  command = plan

  variables {
    images = {}
  }

  expect_failures = [var.services]
}

run "a_bare_tag_outside_local" {
  command = plan

  variables {
    services = { ows = { image = "ghcr.io/opendatacube/ows:1.9.14" } }
  }

  expect_failures = [var.services]
}

run "a_bare_tag_in_the_images_file" {
  command = plan

  variables {
    images = { ows = "ghcr.io/opendatacube/ows:latest" }
  }

  expect_failures = [var.services]
}

run "a_tag_beside_a_digest_that_is_too_short" {
  command = plan

  variables {
    images = { ows = "ghcr.io/opendatacube/ows@sha256:0123" }
  }

  expect_failures = [var.services]
}

run "a_port_beyond_65535" {
  command = plan

  variables {
    services = { ows = { port = 80000 } }
  }

  expect_failures = [var.services]
}

run "half_a_task" {
  command = plan

  variables {
    services = { ows = { desired_count = 1.5 } }
  }

  expect_failures = [var.services]
}

run "a_container_without_memory" {
  command = plan

  variables {
    services = { ows = { memory = 0 } }
  }

  expect_failures = [var.services]
}

run "a_health_check_without_a_slash" {
  command = plan

  variables {
    services = { ows = { health_check_path = "ping" } }
  }

  expect_failures = [var.services]
}

run "a_host_that_is_a_url" {
  command = plan

  variables {
    services = { ows = { host = "https://wms.example.com" } }
  }

  expect_failures = [var.services]
}

run "a_third_kind_of_load_balancer" {
  command = plan

  variables {
    services = { ows = { load_balancer = "none" } }
  }

  expect_failures = [var.services]
}

run "two_services_for_the_same_requests" {
  command = plan

  variables {
    services = { ows = {}, ows2 = { image = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123" } }
  }

  expect_failures = [var.services]
}

run "a_secret_in_the_environment" {
  command = plan

  variables {
    services = { ows = { environment = { DB_PASSWORD = "Password1" } } }
  }

  expect_failures = [var.services]
}

run "a_chamber_service_that_aws_keeps" {
  command = plan

  variables {
    services = { ows = { chamber_service = "ssm-secrets" } }
  }

  expect_failures = [var.services]
}

run "a_single_document_as_a_source" {
  command = plan

  variables {
    storage = "s3"
    index   = [{ source = "s3://scenes/one.odc-metadata.yaml" }]
  }

  expect_failures = [var.index]
}

run "a_bucket_that_the_services_may_not_read" {
  command = plan

  variables {
    index = [{ source = "s3://scenes/landsat" }]
  }

  expect_failures = [var.index]
}

run "a_certificate_for_no_name" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  expect_failures = [var.certificate_arn]
}

run "a_job_without_a_command" {
  command = plan

  variables {
    jobs = { reports = { schedule = "rate(1 day)" } }
  }

  expect_failures = [var.jobs]
}

run "a_service_that_reads_a_master_password" {
  command = plan

  variables {
    services = { ows = { chamber_service = "maps-dev-admin" } }
  }

  expect_failures = [var.services]
}
