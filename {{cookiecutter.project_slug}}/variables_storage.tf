# Where data, secrets and logs are kept.

variable "storage" {
  description = "Where the imagery is: `efs` (a file system at /opt/data), `s3`, or `both`."
  type        = string
  default     = "efs"

  validation {
    condition     = contains(["efs", "s3", "both"], var.storage)
    error_message = "storage: efs, s3 or both."
  }
}

variable "data_buckets" {
  description = "S3 buckets, or bucket/folder, that the services may read. Public ones too, unless a service's environment has AWS_NO_SIGN_REQUEST."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.data_buckets) == 0 || var.storage != "efs"
    error_message = "data_buckets: read with storage = \"s3\" or \"both\"; with \"efs\" the services have no right to S3."
  }
}

variable "parameter_store_key_alias" {
  description = "Alias of chamber's key; the projects of an account may share one."
  type        = string
  default     = "alias/parameter_store_key"
}

variable "cloudwatch_prefix" {
  description = "Goes before the host log groups' /var/log/... . null: /<cluster>-<workspace>. Empty: the bare names."
  type        = string
  default     = null

  validation {
    condition     = var.cloudwatch_prefix == null || can(regex("^(/[A-Za-z0-9_.#-]+)*$", var.cloudwatch_prefix)) && try(length(var.cloudwatch_prefix) <= 400, true)
    error_message = "cloudwatch_prefix: parts of letters, digits, _ . # -, each after a slash, such as /maps/dev; or empty."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 days and some longer."
  }
}
