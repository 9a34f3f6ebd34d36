# Public subnets, NAT gateways and the jumpbox, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name           = "maps-dev"
  vpc_id         = "vpc-1"
  vpc_igw_id     = "igw-1"
  public_subnets = { "ap-southeast-2a" = "10.0.0.0/24", "ap-southeast-2b" = "10.0.1.0/24" }
}

run "one_gateway_by_default_and_no_jumpbox" {
  command = plan

  module {
    source = "./modules/public_layer"
  }

  assert {
    condition     = keys(aws_nat_gateway.nat) == ["ap-southeast-2a"] && length(aws_instance.jumpbox) == 0 && length(aws_security_group.jump_ssh_sg) == 0
    error_message = "One NAT gateway in the first zone, nothing of a jumpbox."
  }

  assert {
    condition     = aws_route.public_igw_route.gateway_id == "igw-1"
    error_message = "The way to the internet."
  }
}

run "the_jumpbox_is_reached_from_its_networks_only" {
  command = plan

  module {
    source = "./modules/public_layer"
  }

  variables {
    enable_jumpbox = true
    jumpbox_cidrs  = ["203.0.113.0/24", "198.51.100.7/32"]
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.jump_ssh : rule.cidr_ipv4]) == toset(var.jumpbox_cidrs) && alltrue([for rule in aws_vpc_security_group_ingress_rule.jump_ssh : rule.from_port == 22 && rule.to_port == 22])
    error_message = "SSH from these networks, and nothing else."
  }

  assert {
    condition     = aws_instance.jumpbox[0].metadata_options[0].http_tokens == "required" && aws_instance.jumpbox[0].root_block_device[0].encrypted
    error_message = "IMDSv2 and an encrypted disk."
  }
}

run "the_whole_internet_is_refused" {
  command = plan

  module {
    source = "./modules/public_layer"
  }

  variables {
    enable_jumpbox = true
    jumpbox_cidrs  = ["0.0.0.0/0"]
  }

  expect_failures = [var.jumpbox_cidrs]
}

run "a_jumpbox_for_nobody_is_refused" {
  command = plan

  module {
    source = "./modules/public_layer"
  }

  variables {
    enable_jumpbox = true
  }

  expect_failures = [var.enable_jumpbox]
}

run "one_zone_is_refused" {
  command = plan

  module {
    source = "./modules/public_layer"
  }

  variables {
    public_subnets     = { "ap-southeast-2a" = "10.0.0.0/28" }
    jump_instance_type = "t4g.nano"
    nat                = "none"
  }

  expect_failures = [var.public_subnets, var.jump_instance_type, var.nat]
}
