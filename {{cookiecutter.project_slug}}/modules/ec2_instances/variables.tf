variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "cluster" {
  description = "Name of the ECS cluster that the instances join."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "private_subnets" {
  description = "Availability zone -> network of its private subnet."
  type        = map(string)
}

variable "nat_ids" {
  description = "Availability zone -> NAT gateway of its private subnet (`public_layer` has it)."
  type        = map(string)

  validation {
    condition     = alltrue([for zone in keys(var.private_subnets) : contains(keys(var.nat_ids), zone)])
    error_message = "nat_ids: every zone of private_subnets needs its NAT gateway."
  }
}

variable "alb_security_group_ids" {
  description = "Load balancer -> its security group; each is let in on the containers' ports."
  type        = map(string)
}

variable "jump_ssh_sg_ids" {
  description = "Jumpbox -> its security group, admitted by SSH; empty without one."
  type        = map(string)
  default     = {}
}

variable "aws_ami" {
  description = "ECS-optimised Amazon Linux 2023 image. Pinned: \"latest\" would replace the instances at any plan."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]{8}([0-9a-f]{9})?$", var.aws_ami))
    error_message = "aws_ami: an image id such as ami-0123456789abcdef0, of the instance type's architecture."
  }
}

variable "instance_type" {
  description = "Machine type of the instances. Its family decides the architecture of image and containers."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type: a machine type such as t3.medium or m7g.large."
  }
}

variable "root_volume_size" {
  description = "Disk of an instance in GiB: the system, images and container layers."
  type        = number
  default     = 30

  validation {
    condition     = var.root_volume_size >= 30
    error_message = "root_volume_size: at least the 30 GiB of the ECS image."
  }
}

variable "min_size" {
  description = "Fewest instances."
  type        = number
  default     = 1

  validation {
    condition     = var.min_size >= 0 && floor(var.min_size) == var.min_size
    error_message = "min_size: a whole number, 0 or more."
  }
}

variable "max_size" {
  description = "Most instances. Leave room: a deployment runs old and new tasks side by side."
  type        = number
  default     = 4

  validation {
    condition     = var.max_size >= max(1, var.min_size) && floor(var.max_size) == var.max_size
    error_message = "max_size: a whole number, at least 1 and not below min_size."
  }
}

variable "key_name" {
  description = "EC2 key pair for SSH; empty for none (Session Manager needs none)."
  type        = string
  default     = ""
}

variable "cloudwatch_prefix" {
  description = "Goes before /var/log/... in the log groups' names. Empty: the bare names, shared by every project."
  type        = string
}

variable "log_retention_days" {
  description = "How long the host logs are kept."
  type        = number
  default     = 30
}

variable "kept_log_retention" {
  description = "Log group -> days (0: for ever), for groups that somebody else made: theirs stays."
  type        = map(number)
  default     = {}
}
