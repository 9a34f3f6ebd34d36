# The database. The module `database_layer` checks the values.

variable "db_instance_class" {
  description = "Machine type of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "db_storage" {
  description = "Disk in GiB at the start; it grows by itself to four times that."
  type        = number
  default     = 20
}

variable "db_name" {
  description = "Name of the database in the instance."
  type        = string
  default     = "datacube"
}

variable "db_admin_username" {
  description = "Master user."
  type        = string
  default     = "master"
}

variable "db_password" {
  description = "Master password, from chamber's store: `invoke apply` reads it, `invoke plan` sends a placeholder. In no tfvars, plan or state."
  type        = string
  default     = "" # so that Terraform by hand stops with the sentence below instead of asking
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[!#-.0-?A-~]{8,128}$", var.db_password))
    error_message = "db_password: 8 to 128 printable ASCII characters without / \" @ and spaces. The tasks hand it over: invoke plan, invoke apply."
  }
}

variable "db_password_version" {
  description = "Version of the password in chamber's store; a new one sends the password to the database."
  type        = number
  default     = 0

  validation {
    condition     = var.db_password_version >= 1 && floor(var.db_password_version) == var.db_password_version
    error_message = "db_password_version: a whole number, 1 or more. The tasks look it up: invoke plan."
  }
}

variable "db_multi_az" {
  description = "Whether a standby in a second zone takes over; twice the price."
  type        = bool
  default     = false
}

variable "db_deletion_protection" {
  description = "Whether AWS refuses to delete the database."
  type        = bool
  default     = true
}

variable "db_skip_final_snapshot" {
  description = "Whether the database may go without a last snapshot."
  type        = bool
  default     = false
}

variable "db_backup_retention_days" {
  description = "Days that automatic backups are kept; 0 makes none."
  type        = number
  default     = 7
}

variable "db_backup_window" {
  description = "When the daily backup is taken, UTC."
  type        = string
  default     = "14:00-15:00"
}

variable "db_maintenance_window" {
  description = "When AWS may upgrade the database's minor version, UTC."
  type        = string
  default     = "sun:15:30-sun:16:30"
}

variable "db_log_exports" {
  description = "Database logs that go to CloudWatch."
  type        = set(string)
  default     = ["postgresql", "upgrade"]
}
