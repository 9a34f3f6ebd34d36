output "service" {
  description = "Name of the service."
  value       = aws_ecs_service.service.name
}

output "task_definition" {
  description = "ARN of the newest revision: what the service is given, unless it is held at an earlier one."
  value       = aws_ecs_task_definition.service-task.arn
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.service.name
}

output "desired_count" {
  description = "How many tasks it was told to run."
  value       = aws_ecs_service.service.desired_count
}

output "runs" {
  description = "ARN of the revision that the service is told to run: `task_definition`, or the one that it is held at."
  value       = aws_ecs_service.service.task_definition
}
