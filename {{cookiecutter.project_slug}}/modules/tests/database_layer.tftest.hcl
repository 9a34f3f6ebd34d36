# The database, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                      = "maps-dev"
  vpc_id                    = "vpc-1"
  database_subnets          = { "ap-southeast-2a" = "10.0.20.0/24", "ap-southeast-2b" = "10.0.21.0/24" }
  client_security_group_ids = { instances = "sg-instances", jumpbox = "sg-jump" }
  instance_class            = "db.t4g.medium"
  storage                   = 20
  db_name                   = "datacube"
  db_admin_username         = "master"
  db_admin_password         = "not-a-secret"
  db_admin_password_version = 3
  chamber_services          = ["maps-dev"]
  chamber_admin_service     = "maps-dev-admin"
}

run "the_password_is_written_and_never_kept" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  assert {
    condition     = aws_db_instance.rds.password == null && aws_db_instance.rds.password_wo_version == 3
    error_message = "Write-only, with its version."
  }
}

run "data_is_safe_by_default" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  assert {
    condition     = aws_db_instance.rds.storage_encrypted && !aws_db_instance.rds.publicly_accessible && aws_db_instance.rds.deletion_protection && !aws_db_instance.rds.skip_final_snapshot && aws_db_instance.rds.backup_retention_period == 7
    error_message = "Encrypted, private, protected, backed up."
  }

  assert {
    condition     = [for parameter in aws_db_parameter_group.rds.parameter : [parameter.name, parameter.value, parameter.apply_method]] == [["rds.force_ssl", "1", "pending-reboot"]]
    error_message = "Nobody in clear."
  }

  assert {
    condition     = aws_db_instance.rds.allocated_storage == 20 && aws_db_instance.rds.max_allocated_storage == 80
    error_message = "The disk grows before it is full."
  }

  assert {
    condition     = aws_db_instance.rds.copy_tags_to_snapshot
    error_message = "A snapshot says whose it is."
  }

  assert {
    condition     = aws_db_instance.rds.auto_minor_version_upgrade && !aws_db_instance.rds.allow_major_version_upgrade
    error_message = "Minor versions by AWS, major ones by people."
  }

  assert {
    condition     = aws_db_instance.rds.engine_version == "17" && aws_db_parameter_group.rds.family == "postgres17" && aws_db_instance.rds.storage_type == "gp3"
    error_message = "PostgreSQL 17, whichever minor version."
  }
}

run "the_logs_that_rds_writes_have_a_home_and_an_end" {
  command = plan

  variables {
    log_exports        = ["postgresql"]
    log_retention_days = 90
  }

  module {
    source = "./modules/database_layer"
  }

  assert {
    condition     = { for export, group in aws_cloudwatch_log_group.exports : group.name => group.retention_in_days } == { "/aws/rds/instance/maps-dev/postgresql" = 90 }
    error_message = "The name that RDS gives, and not for ever."
  }
}

run "no_final_snapshot_is_in_the_way_of_the_next" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  override_resource {
    target          = terraform_data.final_snapshot
    values          = { id = "01234567-89ab-cdef-0123-456789abcdef" }
    override_during = plan
  }

  assert {
    condition     = aws_db_instance.rds.final_snapshot_identifier == "maps-dev-final-01234567"
    error_message = "A name from the instance's own number, not a constant one."
  }

  assert {
    condition     = jsonencode(terraform_data.final_snapshot.triggers_replace) == jsonencode(["maps-dev", "datacube", "master"])
    error_message = "What replaces the instance makes another number."
  }
}

run "only_its_clients_reach_it" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  assert {
    condition     = tomap({ for client, rule in aws_vpc_security_group_ingress_rule.postgres : client => rule.referenced_security_group_id }) == var.client_security_group_ids
    error_message = "Groups, not networks."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.postgres : rule.from_port == 5432 && rule.to_port == 5432])
    error_message = "PostgreSQL's port."
  }
}

run "chamber_finds_where_it_is" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  assert {
    condition     = [for parameter in aws_ssm_parameter.service : parameter.name] == ["/maps-dev/db_database", "/maps-dev/db_hostname", "/maps-dev/db_port"]
    error_message = "What a task reads: where, not who."
  }

  assert {
    condition     = aws_ssm_parameter.admin["db_username"].name == "/maps-dev-admin/db_username" && aws_ssm_parameter.admin["db_username"].value == "master"
    error_message = "What administration reads besides."
  }

  assert {
    condition     = alltrue([for parameter in concat(values(aws_ssm_parameter.service), values(aws_ssm_parameter.admin)) : parameter.type == "String" && parameter.description == "1"])
    error_message = "Chamber keeps its version in the description."
  }
}

run "values_that_rds_refuses" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    name                    = "maps--dev"
    database_subnets        = { "ap-southeast-2a" = "10.0.20.0/24" }
    instance_class          = "t4g.medium"
    storage                 = 19
    db_name                 = "data-cube"
    db_admin_username       = "admin"
    backup_retention_period = 36
    backup_window           = "14-15"
    maintenance_window      = "sunday:15:30-sunday:16:30"
    log_exports             = ["slowquery"]
    engine_version          = "17.4"
    chamber_services        = ["aws-maps"]
  }

  expect_failures = [
    var.name, var.database_subnets, var.instance_class, var.storage, var.db_name, var.db_admin_username,
    var.backup_retention_period, var.backup_window, var.maintenance_window, var.log_exports, var.engine_version,
    var.chamber_services,
  ]
}

run "a_master_user_that_postgresql_keeps" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    db_admin_username     = "pg_master"
    chamber_admin_service = "maps-dev"
  }

  expect_failures = [var.db_admin_username, var.chamber_admin_service]
}

run "windows_that_overlap" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    backup_window      = "23:30-00:30"
    maintenance_window = "mon:00:15-mon:01:15"
  }

  expect_failures = [aws_db_instance.rds]
}

run "a_backup_inside_the_maintenance" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    backup_window      = "14:30-15:00"
    maintenance_window = "sun:14:00-sun:15:30"
  }

  expect_failures = [aws_db_instance.rds]
}

run "windows_that_are_too_short" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    backup_window = "14:00-14:20"
  }

  expect_failures = [aws_db_instance.rds]
}

run "windows_that_only_touch" {
  command = plan

  module {
    source = "./modules/database_layer"
  }

  variables {
    backup_window      = "23:30-00:30"
    maintenance_window = "sun:23:00-sun:23:30"
  }

  assert {
    condition     = aws_db_instance.rds.backup_window == "23:30-00:30"
    error_message = "One after the other is fine."
  }
}
