# The network that everything stands in: one VPC whose machines find each other by name, its gateway to
# the internet, and a default security group that admits nobody.

resource "aws_vpc" "vpc" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # the file system and the database are reached by name

  tags = { Name = var.name }
}

resource "aws_internet_gateway" "vpc" {
  vpc_id = aws_vpc.vpc.id

  tags = { Name = var.name }
}

# Without a rule of its own: whatever is started without a security group can talk to nobody.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.vpc.id

  tags = { Name = "${var.name}-default-closed" }
}
