# What follows from invoke.yaml and the workspace's variables: names, networks, and who serves what.

locals {
  project = yamldecode(file("${path.root}/invoke.yaml")).project
  name    = "${local.project.cluster}-${var.workspace}" # in every name that AWS sees

  identity_is_sound = alltrue([
    for name in [local.project.slug, local.project.cluster] :
    length(name) >= 3 && length(name) <= 28 &&
    can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name)) &&
    !can(regex("^(aws|ssm|ecs|fargate|internal-|sg-)", name))
  ]) && can(regex("^[A-Za-z0-9 +=._:/@-]{1,256}$", local.project.owner))

  chamber_service       = "${local.project.slug}-${var.workspace}"
  chamber_admin_service = "${local.chamber_service}-admin"
}

# Networks: /24 subnets of a /16, as many of each kind as there are zones.
data "aws_availability_zones" "available" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # local zones have neither NAT gateways nor databases
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) >= var.zones
      error_message = "zones: ${var.region} has only ${length(self.names)} availability zones for this account."
    }
  }
}

locals {
  zones        = slice(sort(data.aws_availability_zones.available.names), 0, var.zones)
  first_subnet = { public = 0, private = 10, database = 20 }
  subnets = {
    for kind, first in local.first_subnet :
    kind => { for zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 8, first + index(local.zones, zone)) }
  }
}

locals {
  use_efs     = contains(["efs", "both"], var.storage)
  volume_name = "data"
  data_path   = "/opt/data"

  cloudwatch_prefix = var.cloudwatch_prefix == null ? "/${local.name}" : var.cloudwatch_prefix
}
