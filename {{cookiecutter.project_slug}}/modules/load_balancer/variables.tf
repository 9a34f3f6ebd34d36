variable "alb_name" {
  description = "Name of the load balancer and prefix of its target groups' names; shortened where AWS takes only 32 characters."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.alb_name)) && !can(regex("^(internal|sg)-", var.alb_name))
    error_message = "alb_name: lower case letters, digits and single hyphens; AWS keeps names that begin with internal- or sg-."
  }
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "public_subnet_ids" {
  description = "Public subnets, one in each of at least two zones."
  type        = list(string)
}

variable "services" {
  description = "Service -> the requests that are its own (host: null for any) and the path of its health check."
  type = map(object({
    host              = optional(string)
    path              = optional(string, "/*")
    health_check_path = optional(string, "/ping")
  }))

  validation {
    condition     = length(var.services) == length(distinct([for service in values(var.services) : [service.host, service.path]]))
    error_message = "services: two services want the same requests; give each its own host or path, or a load balancer of its own."
  }
}

variable "allow_cidr_blocks" {
  description = "IPv4 networks that may use the load balancer."
  type        = set(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allow_cidr_blocks) > 0 && alltrue([for cidr in var.allow_cidr_blocks : can(cidrnetmask(cidr))])
    error_message = "allow_cidr_blocks: one or more IPv4 networks such as 0.0.0.0/0."
  }
}

variable "enable_https" {
  description = "Whether the load balancer speaks HTTPS, and HTTP only sends there."
  type        = bool
  default     = false
}

variable "ssl_cert_arn" {
  description = "ACM certificate of the load balancer's region; wanted with enable_https."
  type        = string
  default     = null

  validation {
    condition     = !var.enable_https || try(length(var.ssl_cert_arn) > 0, false)
    error_message = "ssl_cert_arn: HTTPS needs a certificate."
  }
}

variable "enable_deletion_protection" {
  description = "Whether AWS refuses to delete the load balancer."
  type        = bool
  default     = true
}
