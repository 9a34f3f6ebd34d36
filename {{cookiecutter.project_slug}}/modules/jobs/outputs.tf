output "jobs" {
  description = "Job -> its task definition, container and log group."
  value = {
    for job, definition in aws_ecs_task_definition.job : job => {
      task_definition = definition.arn
      container       = job
      log_group       = aws_cloudwatch_log_group.jobs.name
    }
  }
}

output "log_group" {
  description = "Name of the jobs' log group."
  value       = aws_cloudwatch_log_group.jobs.name
}
