variable "name" {
  description = "Name of the service in its cluster."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.name))
    error_message = "name: 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "family" {
  description = "Family of the task definition."
  type        = string
}

variable "cluster" {
  description = "ARN of the ECS cluster. Not its name: a service imported by name would be replaced."
  type        = string

  validation {
    condition     = startswith(var.cluster, "arn:")
    error_message = "cluster: the cluster's ARN."
  }
}

variable "capacity_provider" {
  description = "Where the tasks run (`ec2_instances` has it)."
  type        = string
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64: what the instances are and the image must be."
  type        = string

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: X86_64 or ARM64."
  }
}

variable "desired_count" {
  description = "How many tasks run. In force at every apply."
  type        = number

  validation {
    condition     = var.desired_count >= 0 && floor(var.desired_count) == var.desired_count
    error_message = "desired_count: a whole number, 0 or more."
  }
}

variable "held_task_definition" {
  description = "ARN of an earlier revision that the service goes on with for now; null takes the one that is made here."
  type        = string
  default     = null
}

variable "container_definitions" {
  description = "The container definitions, JSON."
  type        = string

  validation {
    condition     = can([for container in jsondecode(var.container_definitions) : container.name])
    error_message = "container_definitions: a JSON list of container definitions, each with a name."
  }
}

variable "container_name" {
  description = "The container that answers the load balancer."
  type        = string

  validation {
    condition = anytrue([
      for container in try(jsondecode(var.container_definitions), []) :
      try(container.name == var.container_name && anytrue([for mapping in container.portMappings : mapping.containerPort == var.container_port]), false)
    ])
    error_message = "container_name: the container definitions hold no container of this name with the port that the load balancer asks."
  }
}

variable "container_port" {
  description = "The port on which it answers, inside the container."
  type        = number

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535
    error_message = "container_port: 1 to 65535."
  }
}

variable "target_group_arn" {
  description = "Target group of the service's load balancer."
  type        = string
}

variable "enable_execute_command" {
  description = "Whether people may open a shell in a task (`invoke service.exec`)."
  type        = bool
  default     = false
}

variable "health_check_grace_period" {
  description = "Seconds in which a new task may fail its health check: chamber, Python and the database take their time."
  type        = number
  default     = 120
}

variable "task_role_arn" {
  description = "Role of the application."
  type        = string
}

variable "execution_role_arn" {
  description = "Role with which ECS pulls the image and writes the log."
  type        = string
}

variable "log_group" {
  description = "Name of the service's log group."
  type        = string
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30
}

variable "volume_name" {
  description = "What the container definitions call the file system in their mountPoints."
  type        = string
  default     = "data"
}

variable "file_system" {
  description = "The EFS file system and the access point through which it is mounted; null without one."
  type        = object({ id = string, access_point_id = string })
  default     = null
}
