# The database: PostgreSQL on RDS, encrypted at rest and on the wire, in subnets that have no way to the
# internet. Where it is stands in the parameter store (parameters.tf), in chamber's layout.

locals {
  port = 5432
}

resource "aws_db_subnet_group" "rds-subnet" {
  name        = var.name
  description = "Database of ${var.name}"
  subnet_ids  = [for subnet in aws_subnet.database : subnet.id]
}

resource "aws_db_parameter_group" "rds" {
  name_prefix = "${var.name}-"
  description = "Database of ${var.name}"
  family      = "postgres${var.engine_version}"

  parameter {
    name         = "rds.force_ssl"
    value        = "1"
    apply_method = "pending-reboot" # AWS refuses "immediate" for what it counts as static
  }

  lifecycle {
    create_before_destroy = true
  }
}

# A name that no earlier snapshot bears: one taken by the last destroy, or when the instance was replaced, would block
# the next. What makes AWS replace the instance makes a new name.
resource "terraform_data" "final_snapshot" {
  triggers_replace = [var.name, var.db_name, var.db_admin_username]
}

resource "aws_db_instance" "rds" {
  identifier = var.name

  engine                      = "postgres"
  engine_version              = var.engine_version
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  parameter_group_name        = aws_db_parameter_group.rds.name

  instance_class        = var.instance_class
  multi_az              = var.rds_is_multi_az
  storage_type          = "gp3"
  storage_encrypted     = true
  allocated_storage     = var.storage
  max_allocated_storage = 4 * var.storage # grows by itself; a full disk stops the database

  db_name             = var.db_name
  username            = var.db_admin_username
  password_wo         = var.db_admin_password
  password_wo_version = var.db_admin_password_version

  db_subnet_group_name   = aws_db_subnet_group.rds-subnet.name
  vpc_security_group_ids = [aws_security_group.rds.id]
  publicly_accessible    = false

  backup_retention_period         = var.backup_retention_period
  backup_window                   = var.backup_window
  maintenance_window              = var.maintenance_window
  copy_tags_to_snapshot           = true
  enabled_cloudwatch_logs_exports = var.log_exports

  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = "${var.name}-final-${substr(terraform_data.final_snapshot.id, 0, 8)}"

  apply_immediately = true # who confirmed a plan expects it done, not waiting for the maintenance window

  depends_on = [aws_cloudwatch_log_group.exports]

  lifecycle {
    precondition {
      condition     = local.backup_length >= 30 && local.maintenance_length >= 30
      error_message = "backup_window and maintenance_window: 30 minutes at least, each."
    }

    precondition {
      condition     = local.windows_apart
      error_message = "backup_window ${var.backup_window} and maintenance_window ${var.maintenance_window} overlap; AWS refuses that."
    }
  }
}
