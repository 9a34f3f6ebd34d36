# Which request goes to which service: a rule each, whose number comes from what it matches and from nothing
# else. So another service never renumbers the ones that are there, and a more exact rule always comes first.

locals {
  # AWS asks the lowest number first, up to 50000: an exact host, a host with a wildcard, any host; and within each the
  # longer path first. The service's name is in the number: a rule that goes and one that comes never want the same.
  slots        = 120
  longest_path = 128
  host_kind    = { for service, route in var.services : service => route.host == null ? 2 : startswith(route.host, "*") ? 1 : 0 }
  priorities = {
    for service, route in var.services : service => sum([
      1000,
      local.host_kind[service] * (local.longest_path + 1) * local.slots,
      (local.longest_path - length(trimsuffix(route.path, "*"))) * local.slots,
      parseint(substr(sha1("${service} ${coalesce(route.host, "*")}${route.path}"), 0, 7), 16) % local.slots,
    ])
  }

  listener_arn = var.enable_https ? aws_lb_listener.https[0].arn : aws_lb_listener.http.arn
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.alb.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = var.enable_https ? "redirect" : "fixed-response"

    dynamic "redirect" {
      for_each = var.enable_https ? ["to HTTPS"] : []

      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }

    dynamic "fixed_response" {
      for_each = var.enable_https ? [] : ["nobody's request"]

      content {
        content_type = "text/plain"
        message_body = "Not found"
        status_code  = "404"
      }
    }
  }
}

resource "aws_lb_listener" "https" {
  count = var.enable_https ? 1 : 0

  load_balancer_arn = aws_lb.alb.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.ssl_cert_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Not found"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "service" {
  for_each = var.services

  listener_arn = local.listener_arn
  priority     = local.priorities[each.key]

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.service[each.key].arn
  }

  dynamic "condition" {
    for_each = each.value.host == null ? [] : [each.value.host]

    content {
      host_header {
        values = [condition.value]
      }
    }
  }

  condition {
    path_pattern {
      values = [each.value.path]
    }
  }

  tags = { Name = local.target_names[each.key] }

  lifecycle {
    precondition {
      condition     = length([for other in values(local.priorities) : other if other == local.priorities[each.key]]) == 1
      error_message = "Service ${each.key}: its rule gets the number of another service's; make its path, its host or its name a little different."
    }
  }
}

# OWS serves its metrics on the same port as its maps; they are nobody's business outside.
resource "aws_lb_listener_rule" "metrics" {
  listener_arn = local.listener_arn
  priority     = 1

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Not found"
      status_code  = "404"
    }
  }

  condition {
    path_pattern {
      values = ["*/metrics", "*/metrics/*"]
    }
  }

  tags = { Name = "${local.alb_name}-metrics" }
}
