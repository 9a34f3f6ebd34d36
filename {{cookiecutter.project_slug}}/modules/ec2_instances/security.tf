# Who talks to the instances: the load balancers, on the ports that Docker picks, and the jumpbox.
# The load balancers' way in and their way out stand side by side here, because each needs the other's group.

locals {
  # where Docker takes a host port for a container that asks for any
  dynamic_ports = { from = 32768, to = 65535 }
}

resource "aws_security_group" "instance" {
  name_prefix = "${var.name}-ecs-"
  description = "ECS container instances"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-ecs" }

  lifecycle {
    create_before_destroy = true
  }

  timeouts {
    delete = "45m" # network interfaces outlive their owners
  }
}

resource "aws_vpc_security_group_ingress_rule" "instance_from_alb" {
  for_each = var.alb_security_group_ids

  security_group_id            = aws_security_group.instance.id
  description                  = "Requests and health checks of the load balancer ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.dynamic_ports.from
  to_port                      = local.dynamic_ports.to
}

resource "aws_vpc_security_group_egress_rule" "alb_to_instance" {
  for_each = var.alb_security_group_ids

  security_group_id            = each.value
  description                  = "To the containers, and to nothing else"
  referenced_security_group_id = aws_security_group.instance.id
  ip_protocol                  = "tcp"
  from_port                    = local.dynamic_ports.from
  to_port                      = local.dynamic_ports.to
}

resource "aws_vpc_security_group_ingress_rule" "instance_from_jumpbox" {
  for_each = var.jump_ssh_sg_ids

  security_group_id            = aws_security_group.instance.id
  description                  = "SSH from the jumpbox"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
}

resource "aws_vpc_security_group_egress_rule" "instance_all" {
  security_group_id = aws_security_group.instance.id
  description       = "Everywhere: ECS, registries, logs, data"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
