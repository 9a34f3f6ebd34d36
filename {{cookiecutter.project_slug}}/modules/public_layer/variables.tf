variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "vpc_igw_id" {
  description = "The VPC's internet gateway."
  type        = string
}

variable "public_subnets" {
  description = "Availability zone -> network of its public subnet. A load balancer wants two zones, /27 or larger."
  type        = map(string)

  validation {
    condition     = length(var.public_subnets) >= 2
    error_message = "public_subnets: at least two availability zones; AWS makes no load balancer in one."
  }

  validation {
    condition     = alltrue([for cidr in values(var.public_subnets) : try(tonumber(split("/", cidr)[1]) <= 27, false)])
    error_message = "public_subnets: /27 or larger each; a load balancer needs free addresses to grow."
  }
}

variable "nat" {
  description = "NAT gateways: `single` (one for all zones, cheap) or `per_zone` (survives the loss of a zone)."
  type        = string
  default     = "single"

  validation {
    condition     = contains(["single", "per_zone"], var.nat)
    error_message = "nat: single or per_zone."
  }
}

variable "enable_jumpbox" {
  description = "Whether there is a jumpbox. Set to false, the next apply removes it."
  type        = bool
  default     = false

  validation {
    condition     = !var.enable_jumpbox || length(var.jumpbox_cidrs) > 0
    error_message = "enable_jumpbox: say in jumpbox_cidrs who may reach it."
  }
}

variable "jumpbox_cidrs" {
  description = "Networks that may reach the jumpbox by SSH. Never the whole internet."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.jumpbox_cidrs : try(cidrnetmask(cidr) != "" && tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "jumpbox_cidrs: IPv4 networks of /8 or smaller; for access from anywhere use Session Manager."
  }
}

variable "jump_instance_type" {
  description = "Machine of the jumpbox: an x86_64 type."
  type        = string
  default     = "t3.nano"

  validation {
    condition     = !can(regex("^([a-z]+[0-9]+[a-z]*g[a-z]*|a1)\\.", var.jump_instance_type))
    error_message = "jump_instance_type: an x86_64 type; the jumpbox starts from the x86_64 image."
  }
}

variable "key_name" {
  description = "EC2 key pair for SSH. Empty: keys are sent with EC2 Instance Connect."
  type        = string
  default     = ""
}
