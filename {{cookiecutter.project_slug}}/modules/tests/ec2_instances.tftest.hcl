# The container instances, their network and who reaches them, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                   = "maps-dev"
  cluster                = "maps-dev"
  vpc_id                 = "vpc-1"
  private_subnets        = { "ap-southeast-2a" = "10.0.10.0/24", "ap-southeast-2b" = "10.0.11.0/24" }
  nat_ids                = { "ap-southeast-2a" = "nat-a", "ap-southeast-2b" = "nat-b" }
  alb_security_group_ids = { shared = "sg-alb", tiles = "sg-alb-tiles" }
  aws_ami                = "ami-0123456789abcdef0"
  instance_type          = "t3.medium"
  cloudwatch_prefix      = "/maps-dev"
}

run "each_zone_goes_out_through_its_own_gateway" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition     = tomap({ for zone, route in aws_route.private_nat_route : zone => route.nat_gateway_id if route.destination_cidr_block == "0.0.0.0/0" }) == var.nat_ids
    error_message = "The zone's NAT gateway, for everything."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.service_name == "com.amazonaws.ap-southeast-2.s3" && aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "S3 without the NAT gateway."
  }
}

run "only_the_load_balancers_reach_the_containers" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition     = tomap({ for alb, rule in aws_vpc_security_group_ingress_rule.instance_from_alb : alb => rule.referenced_security_group_id }) == var.alb_security_group_ids
    error_message = "Each load balancer's group is let in."
  }

  assert {
    condition     = tomap({ for alb, rule in aws_vpc_security_group_egress_rule.alb_to_instance : alb => rule.security_group_id }) == var.alb_security_group_ids
    error_message = "And each may go out to the instances."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.instance_from_alb : rule.from_port == 32768 && rule.to_port == 65535])
    error_message = "On the ports that Docker picks."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.instance_from_jumpbox) == 0
    error_message = "Nobody by SSH."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.instance_all.ip_protocol == "-1" && aws_vpc_security_group_egress_rule.instance_all.cidr_ipv4 == "0.0.0.0/0"
    error_message = "The instances go out with every protocol: names are looked up over UDP."
  }
}

run "the_jumpbox_reaches_them_by_ssh" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    jump_ssh_sg_ids = { jumpbox = "sg-jump" }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.instance_from_jumpbox["jumpbox"].referenced_security_group_id == "sg-jump" && aws_vpc_security_group_ingress_rule.instance_from_jumpbox["jumpbox"].to_port == 22
    error_message = "SSH from the jumpbox's group."
  }
}

run "an_instance_keeps_its_role_to_itself_and_its_disk_encrypted" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition     = aws_launch_template.launch.metadata_options[0].http_tokens == "required" && aws_launch_template.launch.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2, and no hop into a container."
  }

  assert {
    condition     = tobool(aws_launch_template.launch.block_device_mappings[0].ebs[0].encrypted) && aws_launch_template.launch.block_device_mappings[0].ebs[0].volume_type == "gp3"
    error_message = "An encrypted gp3 disk."
  }

  assert {
    condition = { for spec in aws_launch_template.launch.tag_specifications : spec.resource_type => spec.tags } == {
      instance = tomap({ Owner = "maps@example.com", Name = "maps-dev-ecs" })
      volume   = tomap({ Owner = "maps@example.com", Name = "maps-dev-ecs" })
    }
    error_message = "The default tags reach the instance and its disk."
  }
}

run "the_first_boot_joins_the_cluster_and_ships_the_six_logs" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition = regex("/etc/ecs/ecs.config <<'CONFIG'\n((?:[A-Z_]+=.*\n)+)CONFIG\n", base64decode(aws_launch_template.launch.user_data))[0] == join("", [
      "ECS_CLUSTER=maps-dev\nECS_AWSVPC_BLOCK_IMDS=true\nECS_DISABLE_PRIVILEGED=true\n",
      "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true\nECS_IMAGE_PULL_BEHAVIOR=once\n",
    ])
    error_message = "The agent's configuration."
  }

  assert {
    condition = toset([
      for file in jsondecode(regex("host-logs.json <<'CONFIG'\n(.*)\nCONFIG\n", base64decode(aws_launch_template.launch.user_data))[0]).logs.logs_collected.files.collect_list :
      "${file.file_path} -> ${file.log_group_name}, ${file.log_stream_name}"
    ]) == toset([for group in output.log_groups : "${trimprefix(group, "/maps-dev")} -> ${group}, maps-dev/{instance_id}"]) && length(output.log_groups) == 6
    error_message = "Each log group is written to, from its own file."
  }

  assert {
    condition     = aws_cloudwatch_log_group.dmesg.name == "/maps-dev/var/log/dmesg"
    error_message = "The seed's names behind the prefix."
  }
}

run "ecs_scales_and_drains_the_group" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition     = contains([for tag in aws_autoscaling_group.asg.tag : tag.key], "AmazonECSManaged") && aws_autoscaling_group.asg.protect_from_scale_in
    error_message = "What managed scaling and termination protection need."
  }

  assert {
    condition     = aws_autoscaling_group.asg.force_delete
    error_message = "Protected instances do not hold up a destroy."
  }

  assert {
    condition     = one(aws_ecs_capacity_provider.asg.auto_scaling_group_provider[0].managed_scaling).status == "ENABLED" && aws_ecs_cluster_capacity_providers.asg.capacity_providers == toset(["cp-maps-dev"])
    error_message = "The cluster has the capacity provider, which scales by itself."
  }

  assert {
    condition     = aws_autoscaling_group.asg.instance_refresh[0].preferences[0].scale_in_protected_instances == "Refresh"
    error_message = "A refresh does not wait for protected instances."
  }

  assert {
    condition     = aws_ecs_capacity_provider.asg.name == "cp-maps-dev" && aws_ecs_capacity_provider.asg.auto_scaling_group_provider[0].managed_termination_protection == "ENABLED" && aws_ecs_capacity_provider.asg.auto_scaling_group_provider[0].managed_draining == "ENABLED"
    error_message = "The capacity provider."
  }
}

run "somebody_else_s_log_group_keeps_its_retention" {
  command = plan

  variables {
    cloudwatch_prefix  = ""
    log_retention_days = 90
    kept_log_retention = { "/var/log/dmesg" = 7, "/var/log/docker" = 0 }
  }

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition = [
      aws_cloudwatch_log_group.dmesg.retention_in_days, aws_cloudwatch_log_group.docker.retention_in_days,
      aws_cloudwatch_log_group.messages.retention_in_days, aws_cloudwatch_log_group.audit.retention_in_days,
    ] == [7, 0, 90, 90]
    error_message = "What other projects write to is kept as long as its owner says."
  }
}

run "the_role_writes_the_six_logs_and_makes_none" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.host_logs.policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect = "Allow"
        Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = [
          for file in ["dmesg", "docker", "ecs/audit.log", "ecs/ecs-agent.log", "ecs/ecs-init.log", "messages"] :
          "arn:aws:logs:ap-southeast-2:123456789012:log-group:/maps-dev/var/log/${file}:*"
        ]
      }]
    }
    error_message = "Six groups, by name."
  }

  assert {
    condition = toset([aws_iam_role_policy_attachment.ecs_ec2_role.policy_arn, aws_iam_role_policy_attachment.session_manager.policy_arn]) == toset([
      for policy in ["service-role/AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore"] : "arn:aws:iam::aws:policy/${policy}"
    ])
    error_message = "Amazon's policies: joining the cluster and Session Manager."
  }

  assert {
    condition     = jsondecode(aws_iam_role.ecs_instance_role.assume_role_policy).Statement == [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
    error_message = "A role of EC2's."
  }

  assert {
    condition     = aws_iam_role.ecs_instance_role.name == "maps-dev-ap-southeast-2-ecs-instance"
    error_message = "IAM names hold the region."
  }
}

run "a_role_name_over_64_characters_is_shortened" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    name = "a-cluster-of-28-characters-x-workspace-of-16c"
  }

  assert {
    condition     = aws_iam_role.ecs_instance_role.name == "a-cluster-of-28-characte-${substr(sha1("a-cluster-of-28-characters-x-workspace-of-16c-ap-southeast-2-ecs-instance"), 0, 7)}"
    error_message = "24 characters, a hyphen, 7 of the whole name's SHA-1."
  }
}

run "graviton_machines_run_arm64_containers" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    instance_type = "m7gd.large"
  }

  assert {
    condition     = output.cpu_architecture == "ARM64"
    error_message = "m7gd is Graviton."
  }
}

run "and_others_do_not" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    instance_type = "g4dn.xlarge"
  }

  assert {
    condition     = output.cpu_architecture == "X86_64"
    error_message = "g4dn has a graphics card, not a Graviton."
  }
}

run "values_that_aws_refuses" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    nat_ids          = { "ap-southeast-2a" = "nat-a" }
    aws_ami          = "latest"
    instance_type    = "medium"
    root_volume_size = 8
    min_size         = -1
    max_size         = 0
  }

  expect_failures = [var.nat_ids, var.aws_ami, var.instance_type, var.root_volume_size, var.min_size]
}

run "more_at_least_than_at_most" {
  command = plan

  module {
    source = "./modules/ec2_instances"
  }

  variables {
    min_size = 3
    max_size = 2
  }

  expect_failures = [var.max_size]
}
