"""ECS: what the provider reads back, and what AWS refuses while something is in use."""

from __future__ import annotations

import json

from mends import around, around_function, mend

KEPT = ("availabilityZoneRebalancing", "placementStrategy")


@mend("ecs.no-empty-network", "an empty networkConfiguration on a bridge service crashes the Terraform provider (SIGSEGV)")
def no_empty_network() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_sanitize")
    def without_empty_network(original, record):
        shown = original(record)
        if isinstance(shown, dict) and shown.get("networkConfiguration") == {}:
            del shown["networkConfiguration"]
        return shown


@mend("ecs.service-fields", "placement strategy and zone rebalancing of a service are dropped: a diff at every plan")
def service_fields() -> None:
    from ministack.core.responses import json_response
    from ministack.services import ecs

    def kept(original, request):
        answer = original(request)
        if answer[0] != 200:
            return answer
        arn = json.loads(answer[2])["service"]["serviceArn"]
        service = next(each for each in ecs._services.values() if each["serviceArn"] == arn)
        service.setdefault("availabilityZoneRebalancing", "DISABLED")
        service.update({field: request[field] for field in KEPT if field in request})
        return json_response({"service": ecs._sanitize(service)})

    around(ecs, "CreateService")(kept)
    around(ecs, "UpdateService")(kept)


@mend("ecs.managed-draining", "a capacity provider's managed draining is dropped when it is made: a diff at every plan")
def managed_draining() -> None:
    from ministack.services import ecs

    @around(ecs, "CreateCapacityProvider")
    def kept(original, request):
        answer = original(request)
        draining = request.get("autoScalingGroupProvider", {}).get("managedDraining")
        if answer[0] == 200 and draining:
            ecs._capacity_providers[request["name"]]["autoScalingGroupProvider"]["managedDraining"] = draining
        return answer


@mend("ecs.cluster-in-use", "a cluster with services can be deleted, so a destroy in the wrong order looks right")
def cluster_in_use() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import ecs

    @around(ecs, "DeleteCluster")
    def refused(original, request):
        if _active_services(request):
            return error_response_json(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.", 400)
        return original(request)


@mend("ecs.capacity-provider-in-use", "a capacity provider can go while a cluster or a service uses it")
def capacity_provider_in_use() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import ecs

    @around(ecs, "DeleteCapacityProvider")
    def kept_by_cluster(original, request):
        name = ecs._resolve_capacity_provider_name(request.get("capacityProvider", ""))
        for cluster in ecs._clusters.values():
            if name in (cluster.get("capacityProviders") or []):
                return error_response_json(
                    "ClientException", "The specified capacity provider is in use and cannot be removed. Disassociate it "
                    f"from cluster {cluster['clusterName']} first.", 400)
        return original(request)

    @around(ecs, "PutClusterCapacityProviders")
    def kept_by_service(original, request):
        staying = request.get("capacityProviders", [])
        for service in _active_services(request):
            if any(each["capacityProvider"] not in staying for each in service.get("capacityProviderStrategy") or []):
                return error_response_json(
                    "ResourceInUseException", "The specified capacity provider is in use and cannot be removed.", 400)
        return original(request)


def _active_services(request: dict) -> list[dict]:
    from ministack.services import ecs

    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    return [service for key, service in ecs._services.items()
            if key.startswith(f"{cluster}/") and service["status"] == "ACTIVE"]
