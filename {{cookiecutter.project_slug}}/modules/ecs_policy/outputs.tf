output "task_role_arns" {
  description = "Service -> the role of its application; for `ecs`."
  value       = { for service, role in aws_iam_role.task : service => role.arn }

  # a task that loses its rights while it drains never ends
  depends_on = [
    aws_iam_role_policy.access_to_ssm,
    aws_iam_role_policy.read_buckets,
    aws_iam_role_policy.execute_command,
    aws_iam_role_policy.mount_file_system,
    aws_iam_role_policy.own,
  ]
}

output "execution_role_arn" {
  description = "The role with which ECS pulls images and writes logs; for `ecs`."
  value       = aws_iam_role.execution.arn
  depends_on  = [aws_iam_role_policy.execution]
}

output "parameter_store_key_id" {
  description = "Id of chamber's key."
  value       = aws_kms_key.parameter_store_key.key_id
}
