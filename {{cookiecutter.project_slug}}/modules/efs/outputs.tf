output "efs_id" {
  description = "For the task definitions' volume."
  value       = aws_efs_file_system.efs.id
}

output "efs_arn" {
  description = "For the task roles (`ecs_policy`)."
  value       = aws_efs_file_system.efs.arn
}

output "access_point_id" {
  description = "For the task definitions' volume."
  value       = aws_efs_access_point.data.id

  # A task that starts before, or stops after, these hangs in its mount.
  depends_on = [
    aws_efs_mount_target.efs_mount_target,
    aws_efs_file_system_policy.efs,
    aws_vpc_security_group_ingress_rule.nfs_from_instances,
  ]
}

output "access_point_arn" {
  description = "For the task roles (`ecs_policy`): the only door that they may use."
  value       = aws_efs_access_point.data.arn
}
