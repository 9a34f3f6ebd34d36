# Where the database is, in chamber's layout: /<service>/<key>, the version in the description. `chamber exec`
# gives a task DB_HOSTNAME, DB_PORT and DB_DATABASE, the names that OWS reads. None of it is a secret; user and
# password of the application are written by chamber, never by Terraform.

locals {
  location = {
    db_hostname = aws_db_instance.rds.address
    db_port     = tostring(aws_db_instance.rds.port) # PostgreSQL's own, but for an embedded database
    db_database = var.db_name
  }
}

resource "aws_ssm_parameter" "service" {
  for_each = { for pair in setproduct(var.chamber_services, keys(local.location)) : join("/", pair) => local.location[pair[1]] }

  name        = "/${each.key}"
  description = "1"
  type        = "String"
  value       = each.value # not insecure_value: the provider cannot import that, every plan would change it
}

# Only the administration jobs read this one: beside it stands the master password.
resource "aws_ssm_parameter" "admin" {
  for_each = merge(local.location, { db_username = var.db_admin_username })

  name        = "/${var.chamber_admin_service}/${each.key}"
  description = "1"
  type        = "String"
  value       = each.value # not insecure_value: the provider cannot import that, every plan would change it
}
