output "public_subnet_ids" {
  description = "For `load_balancer`."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]

  # a load balancer outlives the way to the internet otherwise
  depends_on = [aws_route.public_igw_route, aws_route_table_association.public]
}

output "nat_ids" {
  description = "Availability zone -> the NAT gateway that its private subnet uses; for `ec2_instances`."
  value = {
    for zone in local.zones : zone => aws_nat_gateway.nat[contains(local.nat_zones, zone) ? zone : local.nat_zones[0]].id
  }
}

output "jump_ssh_sg_ids" {
  description = "The jumpbox's security group under the key `jumpbox`, or nothing; for `ec2_instances` and `database_layer`."
  value       = { for group in aws_security_group.jump_ssh_sg : "jumpbox" => group.id }
}

output "jumpbox_ip" {
  description = "Public address of the jumpbox; null without one."
  value       = one(aws_instance.jumpbox[*].public_ip)
}
