variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "private_subnet_ids" {
  description = "Availability zone -> private subnet; each gets a mount target (AWS allows one a zone)."
  type        = map(string)
}

variable "ecs_instance_security_group_id" {
  description = "Security group of the machines that mount the file system."
  type        = string
}

variable "owner_id" {
  description = "User and group that every access through the access point acts as; 1000 is the user of the OWS image."
  type        = number
  default     = 1000
}
