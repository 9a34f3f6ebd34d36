# The network, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name = "maps-dev"
  cidr = "10.0.0.0/16"
}

run "machines_find_each_other_by_name" {
  command = plan

  module {
    source = "./modules/vpc"
  }

  assert {
    condition     = aws_vpc.vpc.enable_dns_support && aws_vpc.vpc.enable_dns_hostnames
    error_message = "The file system and the database are reached by name."
  }

  assert {
    condition     = aws_vpc.vpc.cidr_block == "10.0.0.0/16" && output.cidr_block == "10.0.0.0/16"
    error_message = "The network that was asked for."
  }
}

run "the_gateway_and_the_closed_group_are_this_vpcs" {
  command = plan

  module {
    source = "./modules/vpc"
  }

  override_resource {
    target          = aws_vpc.vpc
    values          = { id = "vpc-1" }
    override_during = plan
  }

  # AWS says what stands in the group; what the module writes there would go over it
  override_resource {
    target          = aws_default_security_group.closed
    values          = { ingress = [], egress = [] }
    override_during = plan
  }

  assert {
    condition     = aws_internet_gateway.vpc.vpc_id == "vpc-1" && aws_default_security_group.closed.vpc_id == "vpc-1"
    error_message = "Not the account's default VPC."
  }

  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "What is started without a security group talks to nobody."
  }
}

run "a_network_that_is_none" {
  command = plan

  module {
    source = "./modules/vpc"
  }

  variables {
    cidr = "10.0.0.0"
  }

  expect_failures = [var.cidr]
}
