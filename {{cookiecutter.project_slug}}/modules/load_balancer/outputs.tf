output "alb_security_group_id" {
  description = "For `ec2_instances`: let this one in."
  value       = aws_security_group.alb.id
}

output "alb_target_groups" {
  description = "Service -> its target group; for `ecs`."
  value       = { for service, group in aws_lb_target_group.service : service => group.arn }

  # AWS takes no service whose target group has no listener yet.
  depends_on = [aws_lb_listener_rule.service]
}

output "alb_dns_name" {
  description = "Where the load balancer answers."
  value       = aws_lb.alb.dns_name
}

output "alb_dns_zone_id" {
  description = "For an alias record."
  value       = aws_lb.alb.zone_id
}

output "alb_name" {
  description = "Name of the load balancer, as shortened."
  value       = local.alb_name
}
