# What faces the internet: a public subnet in each zone for the load balancers, the NAT gateways through
# which the private subnets go out, and (in jumpbox.tf) the jumpbox when there is one.

locals {
  zones     = sort(keys(var.public_subnets))
  nat_zones = var.nat == "per_zone" ? local.zones : slice(local.zones, 0, 1)
}

resource "aws_subnet" "public" {
  for_each = var.public_subnets

  vpc_id                  = var.vpc_id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = true # for the jumpbox; nothing else is launched here

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = var.vpc_id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "public_igw_route" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = var.vpc_igw_id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_route.public_igw_route] # AWS gives no address to a VPC without its gateway
}

resource "aws_nat_gateway" "nat" {
  for_each = aws_eip.nat

  allocation_id = each.value.id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_route_table_association.public]
}
