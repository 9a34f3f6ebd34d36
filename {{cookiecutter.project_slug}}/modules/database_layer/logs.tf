# The database's logs in CloudWatch. RDS would make these groups itself, to be kept for ever and left behind when the
# database goes; a group that is there first it takes as it is.

resource "aws_cloudwatch_log_group" "exports" {
  for_each = var.log_exports

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days

  lifecycle {
    ignore_changes = [kms_key_id]
  }
}
