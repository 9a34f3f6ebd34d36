# The services: what people wrote in `services`, completed, and their task definitions rendered.

locals {
  # The logs of a host may be shared between projects, as the seed has it; a service's never are.
  app_log_prefix = local.cloudwatch_prefix == "" ? "/${local.name}" : local.cloudwatch_prefix

  images = { for key, service in var.services : key => service.image != null ? service.image : var.images[key] }

  services = {
    for key, service in var.services : key => merge(service, {
      image            = local.images[key]
      chamber_services = [coalesce(service.chamber_service, local.chamber_service)]
      log_group        = "${local.app_log_prefix}/apps/${key}"
      alb              = service.load_balancer == "own" ? key : "shared"
      policy           = concat(service.policy, local.read_ows_config)
      execute_command  = var.enable_execute_command
      # into ECR the execution role logs in by itself
      registry_credentials = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", local.images[key])) ? "" : var.registry_credentials
    })
  }

  # What begins with the project's own name is its own: there it writes where the database is, and makes a login role.
  own_chamber_services = toset([
    for name in flatten(values(local.services)[*].chamber_services) : name
    if name == local.chamber_service || startswith(name, "${local.chamber_service}-")
  ])

  read_ows_config = var.ows_config == "" ? [] : [jsonencode({
    Statement = [{
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "arn:${data.aws_partition.current.partition}:s3:::${dirname(trimprefix(var.ows_config, "s3://"))}/*" # what it includes lies beside it
    }]
  })]

  # What every container of the image is told, a service's and a job's.
  environment = {
    AWS_REGION         = var.region # without a region chamber and S3 do not start; a container cannot ask the instance
    AWS_DEFAULT_REGION = var.region
    REQUIRED_VARIABLES = join(" ", local.project.required_variables)
    OWS_CONFIG_URL     = var.ows_config
    PGSSLMODE          = "require"
    PGCONNECT_TIMEOUT  = "5" # a closed security group is said at once, not after two minutes
  }

  environments = {
    for key, service in local.services : key => merge(local.environment, {
      CHAMBER_SERVICE = one(service.chamber_services)
      OWS_PUBLIC_URL  = trimsuffix(local.endpoints[key], "/")
    }, service.environment)
  }

  templates    = "${path.root}/task-definitions"
  mount_points = local.use_efs ? [{ sourceVolume = local.volume_name, containerPath = local.data_path, readOnly = false }] : []

  container_definitions = {
    for key, service in local.services : key => templatefile(
      fileexists("${local.templates}/${key}.json.tftpl") ? "${local.templates}/${key}.json.tftpl" : "${local.templates}/ows.json.tftpl",
      {
        name                 = key
        image                = service.image
        registry_credentials = service.registry_credentials
        command              = service.command
        cpu                  = service.cpu
        memory               = service.memory
        port                 = service.port
        environment          = [for name, value in local.environments[key] : { name = name, value = value }]
        mount_points         = local.mount_points
        log_group            = service.log_group
        region               = var.region
      }
    )
  }

  load_balancers = {
    for alb in distinct([for service in values(local.services) : service.alb]) : alb => {
      name     = alb == "shared" ? local.name : "${local.name}-${alb}"
      services = { for key, service in local.services : key => service if service.alb == alb }
    }
  }

  enable_https = var.certificate_arn != ""
  scheme       = local.enable_https ? "https" : "http"
  endpoints = {
    for key, service in local.services : key => (
      var.embedded_aws != ""
      ? "${var.embedded_aws}/_alb/${module.load_balancer[service.alb].alb_name}${trimsuffix(service.path, "*")}"
      : "${local.scheme}://${coalesce(service.host, module.load_balancer[service.alb].alb_dns_name)}${trimsuffix(service.path, "*")}"
    )
  }
}
