"""Elastic Load Balancing: health checks and deletion protection."""

from __future__ import annotations

from mends import around, around_function, mend


@mend("elb.deletion-protection", "a load balancer with deletion protection can be deleted")
def deletion_protection() -> None:
    from ministack.services import alb

    @around(alb, "DeleteLoadBalancer")
    def refused(original, request):
        attributes = alb._lb_attrs.get(alb._p(request, "LoadBalancerArn")) or []
        if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
            return alb._error(
                "OperationNotPermitted", "Load balancer cannot be deleted because deletion protection is enabled")
        return original(request)


@mend("elb.health-check-path", "a health check path with & makes a broken answer: no target group with one can be made")
def health_check_path() -> None:
    from xml.sax.saxutils import escape

    from ministack.services import alb

    @around_function(alb, "_tg_xml")
    def escaped(original, group):
        return original({**group, "HealthCheckPath": escape(group.get("HealthCheckPath") or "/")})
