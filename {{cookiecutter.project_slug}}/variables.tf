# Where this environment is, and its network and machines. The database's variables, the services' and the
# storage's have files of their own. What only one module needs is checked by that module.

variable "account" {
  description = "Number of the AWS account. The embedded AWS of the workspace `local` is 000000000000."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account: 12 digits. Record it with: invoke bootstrap --account NUMBER -w WORKSPACE"
  }

  validation {
    condition     = var.workspace != "local" || var.account == "000000000000"
    error_message = "account: the workspace local lives in the embedded AWS, account 000000000000."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region: such as ap-southeast-2."
  }
}

variable "workspace" {
  description = "Name of this environment, and of its Terraform workspace."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.workspace)) && length(var.workspace) <= 16
    error_message = "workspace: 1 to 16 lower case letters, digits and single hyphens, a letter first."
  }

  validation {
    condition     = var.workspace == terraform.workspace
    error_message = "These are the variables of ${var.workspace}, but Terraform's workspace is ${terraform.workspace}. Run: invoke plan -w ${coalesce(var.workspace, terraform.workspace)}."
  }
}

variable "embedded_aws" {
  description = "Address of the embedded AWS, whose load balancers answer below it; empty outside the workspace `local`. The tasks know."
  type        = string
  default     = ""

  validation {
    condition     = var.embedded_aws == "" || var.workspace == "local"
    error_message = "embedded_aws: only the workspace local lives in the embedded AWS."
  }
}

variable "vpc_cidr" {
  description = "Network of the VPC; its subnets are 8 bits longer."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = try(cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 19, false)
    error_message = "vpc_cidr: an IPv4 network from /16 to /19, its host bits zero, such as 10.0.0.0/16."
  }

  validation {
    condition     = !startswith(var.vpc_cidr, "172.17.")
    error_message = "vpc_cidr: 172.17.0.0/16 is Docker's own network on every instance; take another."
  }
}

variable "zones" {
  description = "How many availability zones."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3, 4], var.zones)
    error_message = "zones: 2 to 4; AWS makes no load balancer and no database in a single one."
  }
}

variable "nat" {
  description = "NAT gateways: `single` (cheap) or `per_zone` (survives the loss of a zone)."
  type        = string
  default     = "single"

  validation {
    condition     = contains(["single", "per_zone"], var.nat)
    error_message = "nat: single or per_zone."
  }
}

variable "jumpbox_cidrs" {
  description = "Networks that may reach the jumpbox by SSH. Empty: no jumpbox."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.jumpbox_cidrs : try(cidrnetmask(cidr) != "" && tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "jumpbox_cidrs: IPv4 networks of /8 or smaller; for access from anywhere use Session Manager."
  }
}

variable "key_name" {
  description = "EC2 key pair for SSH to jumpbox and instances. Empty: Session Manager and EC2 Instance Connect."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[ -~]{0,255}$", var.key_name))
    error_message = "key_name: at most 255 ASCII characters."
  }
}

variable "aws_ami" {
  description = "ECS-optimised Amazon Linux 2023 image of the instances; `invoke bootstrap` pins it."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^ami-[0-9a-f]{8}([0-9a-f]{9})?$", var.aws_ami))
    error_message = "aws_ami: no image is pinned. Run: invoke bootstrap -w ${var.workspace}"
  }
}

variable "instance_type" {
  description = "Machine type of the instances; its family decides the architecture of image and containers."
  type        = string
  default     = "t3.medium"
}

variable "min_size" {
  description = "Fewest instances."
  type        = number
  default     = 1
}

variable "max_size" {
  description = "Most instances. Leave room: a deployment runs old and new tasks side by side."
  type        = number
  default     = 4
}
