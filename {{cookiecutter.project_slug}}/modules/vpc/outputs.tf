output "id" {
  description = "For every module that makes subnets or security groups."
  value       = aws_vpc.vpc.id
}

output "cidr_block" {
  description = "Network of the VPC."
  value       = aws_vpc.vpc.cidr_block
}

output "igw_id" {
  description = "For `public_layer`: the way from its subnets to the internet."
  value       = aws_internet_gateway.vpc.id
}
