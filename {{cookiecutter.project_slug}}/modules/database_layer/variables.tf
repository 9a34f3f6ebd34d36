variable "name" {
  description = "Prefix of every name: <cluster>-<workspace>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 63
    error_message = "name: lower case letters, digits and single hyphens, 63 characters at most; it becomes the database's identifier."
  }
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "database_subnets" {
  description = "Availability zone -> network of its database subnet; two zones at least."
  type        = map(string)

  validation {
    condition     = length(var.database_subnets) >= 2
    error_message = "database_subnets: at least two availability zones; RDS takes no subnet group in one."
  }
}

variable "client_security_group_ids" {
  description = "Who uses the database -> its security group: the container instances, the jumpbox when there is one."
  type        = map(string)
}

variable "engine_version" {
  description = "Major version of PostgreSQL; AWS picks and upgrades the minor one."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[6-9]$", var.engine_version))
    error_message = "engine_version: a major version, 16 or later."
  }
}

variable "instance_class" {
  description = "Machine type of the database."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9-]+$", var.instance_class))
    error_message = "instance_class: a database class such as db.t4g.medium."
  }
}

variable "storage" {
  description = "Disk in GiB at the start; it grows by itself to four times that."
  type        = number

  validation {
    condition     = var.storage >= 20 && var.storage <= 16384 && floor(var.storage) == var.storage
    error_message = "storage: a whole number of GiB, from 20 (the least that gp3 takes) to 16384."
  }
}

variable "db_name" {
  description = "Name of the database in the instance."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_]{0,62}$", var.db_name)) && !contains(["rdsadmin", "template0", "template1"], lower(var.db_name))
    error_message = "db_name: 1 to 63 letters, digits and underscores, a letter first; not one of PostgreSQL's own."
  }
}

variable "db_admin_username" {
  description = "Master user."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_]{0,15}$", var.db_admin_username)) && !can(regex("^(admin$|rds|pg_|user$|public$|all$|default$|session_user$|current_user$)", lower(var.db_admin_username)))
    error_message = "db_admin_username: 1 to 16 letters, digits and underscores, a letter first; not a word that PostgreSQL or RDS keeps for itself (admin, user, rds..., pg_...)."
  }
}

variable "db_admin_password" {
  description = "Master password; sent when db_admin_password_version changes, kept in no plan and no state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "db_admin_password_version" {
  description = "A new number sends the password."
  type        = number
}

variable "rds_is_multi_az" {
  description = "Whether a standby in a second zone takes over; twice the price."
  type        = bool
  default     = false
}

variable "backup_retention_period" {
  description = "Days that automatic backups are kept; 0 makes none."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_period >= 0 && var.backup_retention_period <= 35
    error_message = "backup_retention_period: 0 to 35 days."
  }
}

variable "backup_window" {
  description = "When the daily backup is taken, UTC: HH:MM-HH:MM."
  type        = string
  default     = "14:00-15:00"

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "backup_window: HH:MM-HH:MM in UTC, such as 14:00-15:00."
  }
}

variable "maintenance_window" {
  description = "When AWS may upgrade the minor version, UTC: ddd:HH:MM-ddd:HH:MM."
  type        = string
  default     = "sun:15:30-sun:16:30"

  validation {
    condition = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$",
    var.maintenance_window))
    error_message = "maintenance_window: ddd:HH:MM-ddd:HH:MM in UTC, such as sun:15:30-sun:16:30."
  }
}

variable "log_exports" {
  description = "Database logs that go to CloudWatch."
  type        = set(string)
  default     = ["postgresql", "upgrade"]

  validation {
    condition     = length(setsubtract(var.log_exports, ["postgresql", "upgrade", "iam-db-auth-error"])) == 0
    error_message = "log_exports: some of postgresql, upgrade, iam-db-auth-error."
  }
}

variable "log_retention_days" {
  description = "How long the database's logs are kept."
  type        = number
  default     = 30
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the database."
  type        = bool
  default     = true
}

variable "skip_final_snapshot" {
  description = "Whether the database may go without a last snapshot."
  type        = bool
  default     = false
}

variable "chamber_services" {
  description = "Chamber services that the tasks read; each takes db_hostname, db_port, db_database."
  type        = set(string)

  validation {
    condition     = alltrue([for name in var.chamber_services : can(regex("^[a-z][a-z0-9-]*$", name)) && !can(regex("^(aws|ssm)", name))])
    error_message = "chamber_services: lower case letters, digits and hyphens; AWS keeps names that begin with aws or ssm."
  }
}

variable "chamber_admin_service" {
  description = "Chamber service that only administration jobs read; takes the same and db_username."
  type        = string

  validation {
    condition     = !contains(var.chamber_services, var.chamber_admin_service)
    error_message = "chamber_admin_service: a service of its own; what stands in it is not for the tasks that serve."
  }
}
