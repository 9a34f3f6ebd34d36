# Load balancers: who is asked what, planned without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alb_name          = "maps-dev"
  vpc_id            = "vpc-1"
  public_subnet_ids = ["subnet-a", "subnet-b"]
  services = {
    ows    = {}
    tiles  = { path = "/tiles/*" }
    deep   = { path = "/tiles/fast/*" }
    public = { host = "wms.example.com", health_check_path = "/wms?request=GetCapabilities" }
  }
}

run "the_more_exact_rule_comes_first" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition = (
      aws_lb_listener_rule.metrics.priority < aws_lb_listener_rule.service["public"].priority &&
      aws_lb_listener_rule.service["public"].priority < aws_lb_listener_rule.service["deep"].priority &&
      aws_lb_listener_rule.service["deep"].priority < aws_lb_listener_rule.service["tiles"].priority &&
      aws_lb_listener_rule.service["tiles"].priority < aws_lb_listener_rule.service["ows"].priority &&
      aws_lb_listener_rule.service["ows"].priority <= 50000
    )
    error_message = "Metrics, host, deep path, path, everything."
  }
}

run "the_metrics_are_nobodys_business_outside" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.metrics.condition).path_pattern).values == toset(["*/metrics", "*/metrics/*"])
    error_message = "Whatever the path in front of them."
  }

  assert {
    condition     = [for action in aws_lb_listener_rule.metrics.action : [action.type, action.fixed_response[0].status_code]] == [["fixed-response", "404"]]
    error_message = "404, and no service is asked."
  }
}

run "a_rule_asks_for_the_path_and_the_host_that_was_given" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition = {
      for service, rule in aws_lb_listener_rule.service :
      service => flatten([for condition in rule.condition : [for pattern in condition.path_pattern : tolist(pattern.values)]])
    } == { ows = ["/*"], tiles = ["/tiles/*"], deep = ["/tiles/fast/*"], public = ["/*"] }
    error_message = "The paths."
  }

  assert {
    condition = {
      for service, rule in aws_lb_listener_rule.service :
      service => flatten([for condition in rule.condition : [for header in condition.host_header : tolist(header.values)]])
    } == { ows = [], tiles = [], deep = [], public = ["wms.example.com"] }
    error_message = "The host, where there is one."
  }

  assert {
    condition     = alltrue([for rule in aws_lb_listener_rule.service : [for action in rule.action : action.type] == ["forward"]])
    error_message = "To the service."
  }
}

run "another_service_renumbers_nothing" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    services = { a-new-one = { path = "/new/*" }, ows = {} }
  }

  assert {
    condition     = aws_lb_listener_rule.service["ows"].priority == 47200 + parseint(substr(sha1("ows */*"), 0, 7), 16) % 120
    error_message = "A rule's number comes from its own service, host and path, and from nothing else."
  }
}

run "the_more_exact_rule_is_asked_first" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    services = {
      any      = {}
      deep     = { path = "/a/b/c/d/*" }
      deeper   = { path = "/a/b/c/d/e/*" }
      exact    = { host = "tiles.example.com" }
      wildcard = { host = "*.example.com", path = "/a/b/c/d/e/f/*" }
    }
  }

  assert {
    condition = (
      aws_lb_listener_rule.service["exact"].priority < aws_lb_listener_rule.service["wildcard"].priority &&
      aws_lb_listener_rule.service["wildcard"].priority < aws_lb_listener_rule.service["deeper"].priority &&
      aws_lb_listener_rule.service["deeper"].priority < aws_lb_listener_rule.service["deep"].priority &&
      aws_lb_listener_rule.service["deep"].priority < aws_lb_listener_rule.service["any"].priority
    )
    error_message = "An exact host, then a host with a wildcard, then any; the longer path first."
  }
}

run "without_a_certificate_it_speaks_http" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http.default_action[0].type == "fixed-response" && aws_lb_listener.http.default_action[0].fixed_response[0].status_code == "404"
    error_message = "HTTP, and 404 for what is nobody's."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb : rule.from_port] == [80]
    error_message = "Port 80 only."
  }
}

run "with_one_http_only_sends_to_https" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    enable_https = true
    ssl_cert_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
  }

  assert {
    condition     = [for action in aws_lb_listener.http.default_action : [action.type, action.redirect[0].status_code, action.redirect[0].protocol, action.redirect[0].port]] == [["redirect", "HTTP_301", "HTTPS", "443"]]
    error_message = "301 to HTTPS."
  }

  assert {
    condition     = aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06" && aws_lb_listener.https[0].certificate_arn == var.ssl_cert_arn
    error_message = "TLS 1.3, this certificate."
  }

  assert {
    condition     = aws_lb_listener.https[0].port == 443 && aws_lb_listener.https[0].protocol == "HTTPS" && aws_lb_listener.https[0].default_action[0].fixed_response[0].status_code == "404"
    error_message = "Port 443, and 404 for what is nobody's."
  }
}

run "slow_maps_and_quick_deployments" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = aws_lb.alb.idle_timeout >= 122
    error_message = "Longer than gunicorn's 121 seconds."
  }

  assert {
    condition     = aws_lb.alb.internal == false && aws_lb.alb.load_balancer_type == "application"
    error_message = "Open to the internet."
  }

  assert {
    condition     = aws_lb.alb.drop_invalid_header_fields && aws_lb.alb.enable_deletion_protection
    error_message = "Headers checked; protected."
  }

  assert {
    condition = alltrue([
      for group in aws_lb_target_group.service :
      group.deregistration_delay == "120" && group.target_type == "instance" && group.health_check[0].timeout < group.health_check[0].interval && group.health_check[0].matcher == "200"
    ])
    error_message = "The target groups."
  }

  assert {
    condition     = aws_lb_target_group.service["ows"].health_check[0].path == "/ping" && aws_lb_target_group.service["public"].health_check[0].path == "/wms?request=GetCapabilities"
    error_message = "The health checks."
  }
}

run "names_over_32_characters_are_shortened" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    alb_name = "a-cluster-of-28-characters-x-workspace-of-16c"
  }

  assert {
    condition     = aws_lb.alb.name == "a-cluster-of-28-characte-${substr(sha1(var.alb_name), 0, 7)}" && aws_lb_target_group.service["ows"].name == "a-cluster-of-28-characte-${substr(sha1("${var.alb_name}-ows"), 0, 7)}"
    error_message = "24 characters, a hyphen, 7 of the whole name's SHA-1."
  }

  assert {
    condition     = length(distinct([for group in aws_lb_target_group.service : group.name])) == 4
    error_message = "Still each its own."
  }
}

run "only_the_allowed_networks_come_in" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    allow_cidr_blocks = ["203.0.113.0/24"]
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb : rule.cidr_ipv4] == ["203.0.113.0/24"]
    error_message = "Nobody else."
  }
}

run "values_that_aws_refuses" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    alb_name          = "internal-maps"
    services          = { one = {}, two = {} }
    allow_cidr_blocks = []
    enable_https      = true
  }

  expect_failures = [var.alb_name, var.services, var.allow_cidr_blocks, var.ssl_cert_arn]
}
