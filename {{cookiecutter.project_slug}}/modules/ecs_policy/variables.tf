variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string
}

variable "parameter_store_key_alias" {
  description = "Alias of chamber's key. Key and alias must be there: import both in the root module."
  type        = string
  default     = "alias/parameter_store_key"

  validation {
    condition     = can(regex("^alias/[A-Za-z0-9/_-]{1,250}$", var.parameter_store_key_alias)) && !startswith(var.parameter_store_key_alias, "alias/aws/")
    error_message = "parameter_store_key_alias: alias/ and letters, digits, / _ -; not one of AWS's own (alias/aws/...)."
  }
}

variable "services" {
  description = <<-TEXT
    Service -> what its roles must allow. chamber_services: whose secrets it reads. image and log_group: what ECS
    pulls and writes for it. registry_credentials: ARN of the secret with which it pulls, empty without. policy:
    IAM policy documents (JSON) that are its own. execute_command: whether people may open a shell in it. The
    administration's jobs are one more of these.
  TEXT
  type = map(object({
    chamber_services     = list(string)
    image                = string
    registry_credentials = optional(string, "")
    log_group            = string
    policy               = optional(list(string), [])
    execute_command      = optional(bool, false)
  }))

  validation {
    condition = alltrue([
      for name in flatten(values(var.services)[*].chamber_services) : can(regex("^[A-Za-z0-9._-]+$", name)) && !can(regex("^(aws|ssm)", lower(name)))
    ])
    error_message = "services: each of chamber_services holds letters, digits, . _ - and does not begin with aws or ssm."
  }

  validation {
    condition     = alltrue(flatten([for service in values(var.services) : [for document in service.policy : can(jsondecode(document).Statement)]]))
    error_message = "services: each policy is the JSON of an IAM policy document, with its Statement."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) : service.registry_credentials == "" || can(regex("^arn:[a-z-]+:secretsmanager:[^*?]+:secret:[^*?]+$", service.registry_credentials))
    ])
    error_message = "services: registry_credentials is the whole ARN of one secret in Secrets Manager."
  }
}

variable "data_buckets" {
  description = "S3 buckets, or bucket/folder, that the services read."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.data_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?]*)?$", bucket))])
    error_message = "data_buckets: names of buckets, or bucket/folder; no s3:// and no wildcard."
  }
}

variable "file_system" {
  description = "The file system that the services mount, and the access point through which; null without one."
  type        = object({ arn = string, access_point_arn = string })
  default     = null
}
