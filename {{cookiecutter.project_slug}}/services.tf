# The services: what people wrote in `services`, completed, and their task definitions rendered.

locals {
  # The logs of a host may be shared between projects, as the seed has it; a service's never are.
  app_log_prefix = local.cloudwatch_prefix == "" ? "/${local.name}" : local.cloudwatch_prefix

  services = {
    for key, service in var.services : key => merge(service, {
      image           = service.image != null ? service.image : var.images[key]
      chamber_service = coalesce(service.chamber_service, local.chamber_service)
      log_group       = "${local.app_log_prefix}/apps/${key}"
      alb             = service.load_balancer == "own" ? key : "shared"
    })
  }

  # Without a region chamber and S3 do not start; a container cannot ask the instance for it.
  environments = {
    for key, service in local.services : key => merge({
      AWS_REGION         = var.region
      AWS_DEFAULT_REGION = var.region
      CHAMBER_SERVICE    = service.chamber_service
      PGSSLMODE          = "require"
      PGCONNECT_TIMEOUT  = "5" # a closed security group is said at once, not after two minutes
    }, service.environment)
  }

  templates = "${path.root}/task-definitions"
  container_definitions = {
    for key, service in local.services : key => templatefile(
      fileexists("${local.templates}/${key}.json.tftpl") ? "${local.templates}/${key}.json.tftpl" : "${local.templates}/ows.json.tftpl",
      {
        name         = key
        image        = service.image
        command      = service.command
        cpu          = service.cpu
        memory       = service.memory
        port         = service.port
        environment  = [for name, value in local.environments[key] : { name = name, value = value }]
        mount_points = local.use_efs ? [{ sourceVolume = local.volume_name, containerPath = local.data_path, readOnly = false }] : []
        log_group    = service.log_group
        region       = var.region
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
    for key, service in local.services :
    key => "${local.scheme}://${coalesce(service.host, module.load_balancer[service.alb].alb_dns_name)}${trimsuffix(service.path, "*")}"
  }
}
