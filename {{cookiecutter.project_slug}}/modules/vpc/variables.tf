variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "cidr" {
  description = "Network of the VPC."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0))
    error_message = "cidr: a network such as 10.0.0.0/16."
  }
}
