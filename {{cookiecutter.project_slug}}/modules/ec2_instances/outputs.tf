output "private_subnet_ids" {
  description = "Availability zone -> private subnet; for `efs`."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "ecs_instance_security_group_id" {
  description = "For `efs` and `database_layer`: who may reach them."
  value       = aws_security_group.instance.id
}

output "capacity_provider" {
  description = "For `ecs`: where the tasks run."
  value       = aws_ecs_capacity_provider.asg.name

  # Whoever waits for the capacity provider is destroyed before all of this; without it the agent is cut off
  # while it still drains, and the service never ends.
  depends_on = [
    aws_ecs_cluster_capacity_providers.asg,
    aws_route.private_nat_route,
    aws_route_table_association.private,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_ingress_rule.instance_from_alb,
    aws_vpc_security_group_egress_rule.alb_to_instance,
    aws_vpc_security_group_egress_rule.instance_all,
    aws_iam_role_policy_attachment.ecs_ec2_role,
  ]
}

output "cpu_architecture" {
  description = "X86_64 or ARM64, as the machine type has it; for the task definitions."
  value       = local.cpu_architecture
}

output "log_groups" {
  description = "Names of the six host log groups."
  value = [
    aws_cloudwatch_log_group.dmesg.name,
    aws_cloudwatch_log_group.docker.name,
    aws_cloudwatch_log_group.ecs-agent.name,
    aws_cloudwatch_log_group.ecs-init.name,
    aws_cloudwatch_log_group.audit.name,
    aws_cloudwatch_log_group.messages.name,
  ]
}
