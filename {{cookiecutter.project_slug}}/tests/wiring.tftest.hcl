# The whole deployment, planned without AWS: what follows from a workspace's variables.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# the plan adopts both, and a mock has nothing to adopt
override_resource {
  target = module.ecs_policy.aws_kms_key.parameter_store_key
  values = { arn = "arn:aws:kms:ap-southeast-2:123456789012:key/shared", key_id = "shared" }
}

override_resource {
  target = module.ecs_policy.aws_kms_alias.parameter_store_key
}

override_resource {
  target          = module.public_layer.aws_nat_gateway.nat["ap-southeast-2a"]
  values          = { id = "nat-a" }
  override_during = plan
}

override_resource {
  target          = module.public_layer.aws_nat_gateway.nat["ap-southeast-2b"]
  values          = { id = "nat-b" }
  override_during = plan
}

override_resource {
  target          = module.public_layer.aws_nat_gateway.nat["ap-southeast-2c"]
  values          = { id = "nat-c" }
  override_during = plan
}

variables {
  account             = "123456789012"
  region              = "ap-southeast-2"
  workspace           = "default" # Terraform's workspace during a test
  aws_ami             = "ami-0123456789abcdef0"
  db_password         = "not-a-secret"
  db_password_version = 3
  services            = { ows = {} }
  images              = { ows = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123" }
}

run "the_defaults_run_one_service_behind_one_load_balancer" {
  command = plan

  assert {
    condition     = aws_ecs_cluster.cluster.name == "${local.project.cluster}-default" && output.services["ows"].service == "${local.project.cluster}-default-ows"
    error_message = "The names of cluster and service."
  }

  assert {
    condition     = output.chamber_service == "${local.project.slug}-default" && output.chamber_admin_service == "${local.project.slug}-default-admin"
    error_message = "The services of chamber."
  }

  assert {
    condition     = length(output.log_groups) == 10 && alltrue([for group in output.log_groups : startswith(trimprefix(group, "/aws/rds/instance"), "/${local.project.cluster}-default/")])
    error_message = "The log groups."
  }

  assert {
    condition     = jsondecode(local.container_definitions["ows"])[0].image == var.images["ows"]
    error_message = "The pinned image."
  }

  assert {
    condition = alltrue([
      for name, value in {
        AWS_REGION         = "ap-southeast-2"
        AWS_DEFAULT_REGION = "ap-southeast-2"
        CHAMBER_SERVICE    = "${local.project.slug}-default"
        PGSSLMODE          = "require"
      } : contains(jsondecode(local.container_definitions["ows"])[0].environment, { name = name, value = value })
    ])
    error_message = "What chamber, S3 and PostgreSQL need to start."
  }

  assert {
    condition     = !anytrue([for variable in jsondecode(local.container_definitions["ows"])[0].environment : can(regex("(?i)password|secret", variable.name))])
    error_message = "No secret in a task definition."
  }

  assert {
    condition     = jsondecode(local.container_definitions["ows"])[0].portMappings[0].hostPort == 0
    error_message = "Docker picks the host's port, so two tasks fit one instance."
  }

  assert {
    condition     = output.file_system_id != null && jsondecode(local.container_definitions["ows"])[0].mountPoints[0].containerPath == "/opt/data"
    error_message = "EFS at /opt/data."
  }

  assert {
    condition     = jsonencode(module.public_layer.nat_ids) == jsonencode({ "ap-southeast-2a" = "nat-a", "ap-southeast-2b" = "nat-a" })
    error_message = "single is one gateway."
  }

  assert {
    condition     = length(module.public_layer.jump_ssh_sg_ids) == 0 && module.public_layer.jumpbox_ip == null
    error_message = "No jumpbox unless somebody may use it."
  }

  assert {
    condition     = keys(output.alb_endpoint) == ["shared"] && output.wms_endpoint == "http://mock.ap-southeast-2.elb.amazonaws.com/"
    error_message = "One load balancer, over HTTP as long as there is no certificate."
  }
}

run "three_zones_with_a_gateway_each_and_a_jumpbox" {
  command = plan

  variables {
    zones         = 3
    nat           = "per_zone"
    jumpbox_cidrs = ["203.0.113.0/24"]
  }

  assert {
    condition = jsonencode(local.subnets) == jsonencode({
      database = { "ap-southeast-2a" = "10.0.20.0/24", "ap-southeast-2b" = "10.0.21.0/24", "ap-southeast-2c" = "10.0.22.0/24" }
      private  = { "ap-southeast-2a" = "10.0.10.0/24", "ap-southeast-2b" = "10.0.11.0/24", "ap-southeast-2c" = "10.0.12.0/24" }
      public   = { "ap-southeast-2a" = "10.0.0.0/24", "ap-southeast-2b" = "10.0.1.0/24", "ap-southeast-2c" = "10.0.2.0/24" }
    })
    error_message = "The subnets."
  }

  assert {
    condition     = length(module.ec2_instances.private_subnet_ids) == 3 && length(module.public_layer.public_subnet_ids) == 3
    error_message = "A private and a public subnet in each zone."
  }

  assert {
    condition     = jsonencode(module.public_layer.nat_ids) == jsonencode({ "ap-southeast-2a" = "nat-a", "ap-southeast-2b" = "nat-b", "ap-southeast-2c" = "nat-c" })
    error_message = "per_zone is one gateway a zone."
  }

  assert {
    condition     = length(module.public_layer.jump_ssh_sg_ids) == 1 && module.public_layer.jumpbox_ip != null
    error_message = "A jumpbox for the networks that may use it."
  }
}

run "what_people_write_goes_over_the_defaults" {
  command = plan

  variables {
    services = {
      ows = {
        command         = ["gunicorn", "--workers=4", "it's \"quoted\""]
        environment     = { CHAMBER_SERVICE = "mine", GDAL_HTTP_MAX_RETRY = "5" }
        chamber_service = "shared-secrets"
        port            = 8080
      }
    }
  }

  assert {
    condition     = jsondecode(local.container_definitions["ows"])[0].command[2] == "it's \"quoted\""
    error_message = "The command, word by word."
  }

  assert {
    condition     = contains(jsondecode(local.container_definitions["ows"])[0].environment, { name = "CHAMBER_SERVICE", value = "mine" })
    error_message = "The service's environment wins."
  }

  assert {
    condition     = jsondecode(local.container_definitions["ows"])[0].portMappings[0].containerPort == 8080
    error_message = "The port."
  }
}

run "s3_leaves_the_file_system_out" {
  command = plan

  variables {
    storage      = "s3"
    data_buckets = ["dea-public-data/baseline"]
  }

  assert {
    condition     = output.file_system_id == null && length(module.efs) == 0 && length(jsondecode(local.container_definitions["ows"])[0].mountPoints) == 0
    error_message = "No file system, nothing to mount."
  }
}

run "a_second_service_shares_the_load_balancer" {
  command = plan

  variables {
    services = { ows = {}, tiles = { path = "/tiles/*" } }
    images = {
      ows   = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123"
      tiles = "ghcr.io/opendatacube/tiles@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    }
  }

  assert {
    condition     = length(output.alb_endpoint) == 1 && endswith(output.endpoints["tiles"], "/tiles/")
    error_message = "One load balancer, a path for the second service."
  }
}

run "or_has_its_own" {
  command = plan

  variables {
    services = { ows = {}, tiles = { load_balancer = "own" } }
    images = {
      ows   = "ghcr.io/opendatacube/ows@sha256:0123456789012345678901234567890123456789012345678901234567890123"
      tiles = "ghcr.io/opendatacube/tiles@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    }
  }

  assert {
    condition     = sort(keys(output.alb_endpoint)) == tolist(["shared", "tiles"]) && module.load_balancer["tiles"].alb_name == "${local.name}-tiles"
    error_message = "A load balancer of its own."
  }
}

run "a_certificate_makes_it_https" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
    services        = { ows = { host = "wms.example.com" } }
  }

  assert {
    condition     = output.wms_endpoint == "https://wms.example.com/"
    error_message = "The endpoint."
  }
}

run "an_empty_prefix_shares_the_host_logs_but_not_the_service_s" {
  command = plan

  variables {
    cloudwatch_prefix = ""
  }

  assert {
    condition     = contains(output.log_groups, "/var/log/dmesg") && contains(output.log_groups, "/${local.name}/apps/ows")
    error_message = "The seed's names for the host, the project's own for the service."
  }
}

run "log_groups_that_are_there_are_adopted_and_somebody_else_s_keep_their_retention" {
  command = plan

  variables {
    cloudwatch_prefix = ""
  }

  override_data {
    target = data.aws_cloudwatch_log_groups.there["hosts"]
    values = { log_group_names = ["/var/log/dmesg", "/var/log/docker", "/var/log/secure"] }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.adopted["/var/log/dmesg"]
    values = { retention_in_days = 7, tags = { Project = "other-maps", Workspace = "default" } }
  }

  override_data {
    target = data.aws_cloudwatch_log_group.adopted["/var/log/docker"]
    values = { retention_in_days = 0, tags = {} }
  }

  # adopted, and a mock has nothing to adopt
  override_resource {
    target = module.ec2_instances.aws_cloudwatch_log_group.dmesg
  }

  override_resource {
    target = module.ec2_instances.aws_cloudwatch_log_group.docker
  }

  assert {
    condition     = keys(data.aws_cloudwatch_log_group.adopted) == ["/var/log/dmesg", "/var/log/docker"]
    error_message = "Only what the hosts write is adopted."
  }

  assert {
    condition     = local.kept_log_retention == { "/var/log/dmesg" = 7, "/var/log/docker" = 0 }
    error_message = "Somebody else's retention stays."
  }
}

run "a_tag_is_enough_in_the_embedded_aws" {
  command = plan

  variables {
    account  = "000000000000"
    services = { ows = { image = "ghcr.io/opendatacube/ows:1.9.14" } }
    images   = {}
  }

  assert {
    condition     = output.services["ows"].image == "ghcr.io/opendatacube/ows:1.9.14"
    error_message = "Tags are fine where nothing is deployed."
  }
}

run "only_the_jobs_read_the_master_password" {
  command = plan

  assert {
    condition     = local.administration.chamber_services == ["${local.project.slug}-default-admin", "${local.project.slug}-default"]
    error_message = "The jobs' secrets."
  }

  assert {
    condition     = !anytrue([for name in flatten(values(local.services)[*].chamber_services) : endswith(name, "-admin")])
    error_message = "A service reads the master password."
  }

  assert {
    condition = alltrue([
      for name, value in {
        CHAMBER_SERVICE          = "${local.project.slug}-default-admin"
        SERVING_CHAMBER_SERVICES = "${local.project.slug}-default"
        PRODUCTS                 = "[]"
        INDEX                    = "[]"
      } : contains(jsondecode(local.job_definitions["admin"].container_definitions)[0].environment, { name = name, value = value })
    ])
    error_message = "What the administration is told."
  }

  assert {
    condition     = keys(output.jobs) == ["admin"] && jsondecode(local.job_definitions["admin"].container_definitions)[0].image == var.images["ows"]
    error_message = "The administration runs from the serving image."
  }
}

run "what_is_indexed_is_read_by_the_services_too" {
  command = plan

  variables {
    storage  = "s3"
    products = ["image/products/*.yaml"]
    index    = [{ source = "s3://scenes/landsat/" }]
    jobs = {
      index   = { schedule = "cron(1 14 * * ? *)" }
      reports = { command = ["python3", "report.py"], environment = { MONTHS = "3" } }
    }
  }

  assert {
    condition     = local.data_places == toset(["scenes/landsat"])
    error_message = "The bucket of what is indexed."
  }

  assert {
    condition     = jsondecode(local.job_definitions["index"].container_definitions)[0].command == ["python3", "-m", "ows_jobs", "index"]
    error_message = "A job of the image needs no command."
  }

  assert {
    condition     = contains(jsondecode(local.job_definitions["reports"].container_definitions)[0].environment, { name = "MONTHS", value = "3" })
    error_message = "A job's own environment."
  }
}

run "a_service_waits_for_its_database" {
  command = plan

  variables {
    services = { ows = {}, tiles = { path = "/tiles/*", chamber_service = "shared-secrets" } }
    images = {
      ows   = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123"
      tiles = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    }
    waiting_services = ["ows"]
  }

  assert {
    condition     = module.ecs["ows"].desired_count == 0 && module.ecs["tiles"].desired_count == 2
    error_message = "Only what waits has no task."
  }

  assert {
    condition     = local.own_chamber_services == toset(["${local.project.slug}-default"])
    error_message = "Somebody else's secrets are not written to."
  }
}

run "the_embedded_aws_answers_for_its_load_balancers" {
  command = plan

  variables {
    workspace    = "default"
    embedded_aws = "http://127.0.0.1:4566"
  }

  expect_failures = [var.embedded_aws]
}

run "a_held_service_goes_on_with_what_it_runs" {
  command = plan

  variables {
    held_services = { ows = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/maps-default-ows:3" }
  }

  assert {
    condition     = module.ecs["ows"].runs == "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/maps-default-ows:3"
    error_message = "A service got its new tasks before the database was prepared for them."
  }

  assert {
    condition     = output.services["ows"].runs == module.ecs["ows"].runs
    error_message = "`service.status` cannot tell what the service was given."
  }
}

run "the_jobs_run_from_the_image_that_knows_them" {
  command = plan

  variables {
    services = { cache = { path = "/cache/*", image = "example.com/nginx@sha256:0123456789012345678901234567890123456789012345678901234567890123" }, ows = {} }
  }

  assert {
    condition     = local.administration.image == var.images["ows"] && output.wms_endpoint == output.endpoints["ows"]
    error_message = "A service with an image of its own that sorts first is not the map service."
  }
}

run "the_images_outside_ecr_are_pulled_with_the_login" {
  command = plan

  variables {
    registry_credentials = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ghcr-a1b2c3"
    services             = { ows = {}, tiles = { path = "/tiles/*" } }
    images = {
      ows   = "ghcr.io/example/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123"
      tiles = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    }
  }

  assert {
    condition = alltrue([
      for definitions in [local.container_definitions["ows"], local.job_definitions["admin"].container_definitions] :
      jsondecode(definitions)[0].repositoryCredentials == { credentialsParameter = var.registry_credentials }
    ])
    error_message = "The service's tasks and the jobs', which run from its image."
  }

  assert {
    condition     = !can(jsondecode(local.container_definitions["tiles"])[0].repositoryCredentials) && local.services["tiles"].registry_credentials == ""
    error_message = "ECR has a login of its own."
  }
}

run "without_a_login_nothing_is_said_of_one" {
  command = plan

  variables {
    images = { ows = "ghcr.io/example/maps@sha256:0123456789012345678901234567890123456789012345678901234567890123" }
  }

  assert {
    condition = !anytrue([
      for definitions in [local.container_definitions["ows"], local.job_definitions["admin"].container_definitions] : strcontains(definitions, "redentials")
    ])
    error_message = "A plan of an existing stack stays clean."
  }
}

run "products_in_s3_are_read_by_the_jobs_alone" {
  command = plan

  variables {
    products   = ["s3://definitions/products/*.yaml"]
    ows_config = "s3://settings/ows/ows.json"
  }

  assert {
    condition     = jsondecode(local.administration.policy[1]).Statement[0].Resource == ["arn:aws:s3:::definitions/products/*"] && length(local.services["ows"].policy) == 1
    error_message = "The products."
  }

  assert {
    condition     = jsondecode(local.services["ows"].policy[0]).Statement[0].Resource == "arn:aws:s3:::settings/ows/*"
    error_message = "What the configuration includes lies beside it."
  }
}
