output "endpoint" {
  description = "host:port of the database."
  value       = aws_db_instance.rds.endpoint
}

output "db_identifier" {
  description = "The instance's identifier, for the AWS tools."
  value       = aws_db_instance.rds.identifier
}

output "rds_security_group_id" {
  description = "To let somebody else in."
  value       = aws_security_group.rds.id
}

output "log_groups" {
  description = "Names of the log groups that RDS writes to."
  value       = [for group in aws_cloudwatch_log_group.exports : group.name]
}
