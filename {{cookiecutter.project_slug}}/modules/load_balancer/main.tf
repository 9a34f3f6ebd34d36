# An application load balancer, shared by several services or one service's own, with a target group for each.
# With a certificate it speaks HTTPS and sends HTTP there; without one it speaks HTTP.
# Which request goes to which service: rules.tf. What may leave it for the instances: module `ec2_instances`.

locals {
  # AWS's limit is 32 characters. Over it: the first 24, and 7 digits of the whole name's SHA-1.
  alb_name          = length(var.alb_name) <= 32 ? var.alb_name : "${substr(var.alb_name, 0, 24)}-${substr(sha1(var.alb_name), 0, 7)}"
  full_target_names = { for service in keys(var.services) : service => "${var.alb_name}-${service}" }
  target_names = {
    for service, name in local.full_target_names :
    service => length(name) <= 32 ? name : "${substr(name, 0, 24)}-${substr(sha1(name), 0, 7)}"
  }

  ports = var.enable_https ? { http = 80, https = 443 } : { http = 80 }
}

resource "aws_lb" "alb" {
  name               = local.alb_name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [aws_security_group.alb.id]

  idle_timeout               = 130 # a map may take gunicorn's 121 seconds; after 60 the client would get a 504
  drop_invalid_header_fields = true
  enable_deletion_protection = var.enable_deletion_protection
}

resource "aws_lb_target_group" "service" {
  for_each = var.services

  name        = local.target_names[each.key]
  vpc_id      = var.vpc_id
  target_type = "instance" # bridge network: an instance and the port that Docker picked
  protocol    = "HTTP"
  port        = 80 # of no effect, each target brings its own; the service's would replace the group when it changes

  deregistration_delay          = 120                          # as long as gunicorn lets a map take
  load_balancing_algorithm_type = "least_outstanding_requests" # maps differ a hundredfold in cost

  health_check {
    path                = each.value.health_check_path
    matcher             = "200"
    interval            = 10
    timeout             = 5 # below the interval, or AWS refuses
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_security_group" "alb" {
  name_prefix = "${local.alb_name}-alb-"
  description = "Load balancer: HTTP and HTTPS from outside"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.alb_name}-alb" }

  lifecycle {
    create_before_destroy = true
  }

  timeouts {
    delete = "45m" # network interfaces outlive their owners
  }
}

resource "aws_vpc_security_group_ingress_rule" "alb" {
  for_each = {
    for pair in setproduct(keys(local.ports), var.allow_cidr_blocks) : "${pair[0]} from ${pair[1]}" => {
      port = local.ports[pair[0]]
      cidr = pair[1]
    }
  }

  security_group_id = aws_security_group.alb.id
  description       = each.key
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}
