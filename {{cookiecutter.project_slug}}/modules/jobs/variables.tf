variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "jobs" {
  description = <<-TEXT
    Job -> its container definitions (JSON; the container bears the job's name), and when it runs: an expression of
    EventBridge Scheduler (cron(...), rate(...), at(...)) in a time zone, or null for a job that people start.
  TEXT
  type = map(object({
    container_definitions = string
    schedule              = optional(string)
    timezone              = optional(string, "UTC")
  }))

  validation {
    condition = alltrue([
      for name, job in var.jobs : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name)) && length(name) <= 16
    ])
    error_message = "jobs: names of 1 to 16 lower case letters, digits and single hyphens, a letter first."
  }

  validation {
    condition = alltrue([
      for name, job in var.jobs : can([for container in jsondecode(job.container_definitions) : container.name])
      && anytrue([for container in try(jsondecode(job.container_definitions), []) : try(container.name == name, false)])
    ])
    error_message = "jobs: container_definitions is a JSON list with a container that bears the job's name."
  }

  validation {
    condition = alltrue([
      for job in values(var.jobs) : job.schedule == null || can(regex("^(cron\\([^ ]+( [^ ]+){5}\\)|rate\\([1-9][0-9]* (minute|hour|day)s?\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\))$", job.schedule))
    ])
    error_message = "jobs: a schedule is cron(minute hour day month weekday year), with a ? for the day or the weekday; rate(6 hours); or at(2030-01-31T12:00:00)."
  }
}

variable "cluster" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "capacity_provider" {
  description = "Where the jobs run (`ec2_instances` has it)."
  type        = string
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64: what the instances are and the image must be."
  type        = string
}

variable "task_role_arn" {
  description = "Role of the jobs: the one that may read the master password."
  type        = string
}

variable "execution_role_arn" {
  description = "Role with which ECS pulls the image and writes the log."
  type        = string
}

variable "log_group" {
  description = "Name of the log group that the jobs share."
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
