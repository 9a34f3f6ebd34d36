# The machines that run the containers: an auto scaling group of ECS instances in private subnets, grown and
# shrunk by ECS itself through a capacity provider. A change of machine type or image replaces the instances
# one after the other, each drained first.
# Beside this: network.tf, security.tf, instance_policy.tf, cloudwatch.tf.

data "aws_region" "current" {}
data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}
data "aws_default_tags" "current" {}

locals {
  # Graviton families carry a "g" behind their generation: t4g, m7gd, c6gn
  cpu_architecture = can(regex("^([a-z]+[0-9]+[a-z]*g[a-z]*|a1)\\.", var.instance_type)) ? "ARM64" : "X86_64"
}

resource "aws_launch_template" "launch" {
  name          = var.name
  description   = "ECS container instances of ${var.name}"
  image_id      = var.aws_ami
  instance_type = var.instance_type
  key_name      = var.key_name == "" ? null : var.key_name

  vpc_security_group_ids = [aws_security_group.instance.id]
  update_default_version = true

  user_data = base64encode(templatefile("${path.module}/templates/user_data.sh.tftpl", {
    cluster   = var.cluster
    log_files = local.log_files
  }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.ecs.arn
  }

  # One hop: a container cannot reach the metadata service, so no task can borrow the instance's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.root_volume_size
      encrypted             = true
      delete_on_termination = true
    }
  }

  # The provider's default tags stop at the template: what is launched from it needs its own.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(data.aws_default_tags.current.tags, { Name = "${var.name}-ecs" })
    }
  }
}

resource "aws_autoscaling_group" "asg" {
  name                = var.name
  min_size            = var.min_size
  max_size            = var.max_size
  vpc_zone_identifier = [for subnet in aws_subnet.private : subnet.id]

  # ECS decides which instance may go; at destroy the services are gone first, so nothing is left to drain.
  protect_from_scale_in = true
  force_delete          = true

  launch_template {
    id      = aws_launch_template.launch.id
    version = aws_launch_template.launch.latest_version
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage       = 100
      max_healthy_percentage       = 200
      instance_warmup              = 120
      scale_in_protected_instances = "Refresh" # the default waits an hour for protected instances, then fails
    }
  }

  # ECS adds this tag itself; undeclared, the next apply would take it away and scaling with it.
  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-ecs"
    propagate_at_launch = true
  }

  timeouts {
    delete = "30m"
  }

  lifecycle {
    ignore_changes = [desired_capacity] # the capacity provider's business
  }

  # An instance needs its way out, its rights and its log groups from the first minute to the last.
  depends_on = [
    aws_route.private_nat_route,
    aws_route_table_association.private,
    aws_vpc_security_group_egress_rule.instance_all,
    aws_iam_role_policy.host_logs,
    aws_iam_role_policy_attachment.ecs_ec2_role,
    aws_iam_role_policy_attachment.session_manager,
    aws_cloudwatch_log_group.dmesg,
    aws_cloudwatch_log_group.docker,
    aws_cloudwatch_log_group.ecs-agent,
    aws_cloudwatch_log_group.ecs-init,
    aws_cloudwatch_log_group.audit,
    aws_cloudwatch_log_group.messages,
  ]
}

resource "aws_ecs_capacity_provider" "asg" {
  name = "cp-${var.name}" # a name may not begin with aws, ecs or fargate

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.asg.arn
    managed_termination_protection = "ENABLED"
    managed_draining               = "ENABLED"

    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = 100
      minimum_scaling_step_size = 1
      maximum_scaling_step_size = 2
      instance_warmup_period    = 120
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "asg" {
  cluster_name       = var.cluster
  capacity_providers = [aws_ecs_capacity_provider.asg.name]

  default_capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.asg.name
    weight            = 1
  }
}
