"""VPC, subnets, gateways and routes. None of them bears a name of its own: a second one is made without a word."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, filters, items, tags

# Of a NAT gateway and an endpoint AWS goes on telling for an hour after their end.
GONE = ("deleting", "deleted", "failed", "rejected", "expired")


def _vpcs(session: Session, arguments: dict) -> Iterator[Found]:
    for vpc in items(session.client("ec2"), "describe_vpcs", "Vpcs[]"):
        if vpc["CidrBlock"] == arguments["cidr_block"] and not vpc.get("IsDefault"):
            yield Found(vpc["VpcId"], tags(vpc.get("Tags")), _while_pending(vpc["State"]))


def _subnets(session: Session, arguments: dict) -> Iterator[Found]:
    inside = filters(vpc_id=arguments["vpc_id"])
    for subnet in items(session.client("ec2"), "describe_subnets", "Subnets[]", Filters=inside):
        if _equal(subnet, arguments, VpcId="vpc_id", CidrBlock="cidr_block", AvailabilityZone="availability_zone"):
            yield Found(subnet["SubnetId"], tags(subnet.get("Tags")), _while_pending(subnet["State"]))


def _internet_gateways(session: Session, arguments: dict) -> Iterator[Found]:
    """Those of the VPC, and those of none: making and attaching are two calls, and the apply attaches an adopted one."""
    for gateway in items(session.client("ec2"), "describe_internet_gateways", "InternetGateways[]"):
        if all(attached["VpcId"] == arguments["vpc_id"] for attached in gateway.get("Attachments", ())):
            yield Found(gateway["InternetGatewayId"], tags(gateway.get("Tags")))


def _route_tables(session: Session, arguments: dict) -> Iterator[Found]:
    for table in _tables(session, vpc_id=arguments["vpc_id"]):
        if table["VpcId"] == arguments["vpc_id"] and not any(each.get("Main") for each in table.get("Associations", ())):
            yield Found(table["RouteTableId"], tags(table.get("Tags")))


def _routes(session: Session, arguments: dict) -> Iterator[Found]:
    """A table has one route to a destination; it must lead where the plan wants it, or it is somebody else's."""
    table, destination = arguments["route_table_id"], arguments["destination_cidr_block"]
    for found in _tables(session, route_table_id=table):
        for route in found.get("Routes", ()) if found["RouteTableId"] == table else ():
            if route.get("DestinationCidrBlock") == destination and _same_way(route, arguments):
                yield Found(f"{table}_{destination}")


def _same_way(route: dict, arguments: dict) -> bool:
    wanted = {arguments.get("gateway_id"), arguments.get("nat_gateway_id")} - {None, ""}
    return bool(wanted) and wanted == {route.get("GatewayId"), route.get("NatGatewayId")} - {None, ""}


def _route_table_associations(session: Session, arguments: dict) -> Iterator[Found]:
    table, subnet = arguments["route_table_id"], arguments["subnet_id"]
    for found in _tables(session, route_table_id=table):
        for each in found.get("Associations", ()) if found["RouteTableId"] == table else ():
            state = (each.get("AssociationState") or {}).get("State", "associated")
            if each.get("SubnetId") == subnet and state in ("associating", "associated"):
                yield Found(f"{subnet}/{table}")


def _tables(session: Session, **where: str) -> Iterator[dict]:
    return items(session.client("ec2"), "describe_route_tables", "RouteTables[]", Filters=filters(**where))


def _addresses(session: Session, arguments: dict) -> Iterator[Found]:
    """The address in flight has no gateway yet: one that is in use belongs to somebody."""
    for address in session.client("ec2").describe_addresses()["Addresses"]:
        if not address.get("AssociationId"):
            yield Found(address["AllocationId"], tags(address.get("Tags")))


def _nat_gateways(session: Session, arguments: dict) -> Iterator[Found]:
    where = filters(subnet_id=arguments["subnet_id"])
    for gateway in items(session.client("ec2"), "describe_nat_gateways", "NatGateways[]", Filters=where):
        allocations = {each.get("AllocationId") for each in gateway.get("NatGatewayAddresses", ())}
        if (gateway["State"] not in GONE and gateway["SubnetId"] == arguments["subnet_id"]
                and allocations <= {arguments["allocation_id"]}):
            yield Found(gateway["NatGatewayId"], tags(gateway.get("Tags")), _while_pending(gateway["State"]))


def _endpoints(session: Session, arguments: dict) -> Iterator[Found]:
    inside = filters(vpc_id=arguments["vpc_id"])
    for endpoint in items(session.client("ec2"), "describe_vpc_endpoints", "VpcEndpoints[]", Filters=inside):
        same = _equal(endpoint, arguments, VpcId="vpc_id", ServiceName="service_name", VpcEndpointType="vpc_endpoint_type")
        if same and endpoint["State"].lower() not in GONE:
            yield Found(endpoint["VpcEndpointId"], tags(endpoint.get("Tags")), _while_pending(endpoint["State"].lower()))


def _equal(found: dict, arguments: dict, **names: str) -> bool:
    """Whether AWS's fields have the values of the arguments; what the plan does not say yet is not compared."""
    return all(arguments.get(argument) in (None, found.get(field)) for field, argument in names.items())


def _while_pending(state: str) -> str:
    return state if state == "pending" else ""


FINDERS: dict[str, Finder] = {
    "aws_vpc": by(_vpcs, "cidr_block"),
    "aws_subnet": by(_subnets, "vpc_id", "cidr_block"),
    "aws_internet_gateway": by(_internet_gateways, "vpc_id"),
    "aws_route_table": by(_route_tables, "vpc_id"),
    "aws_route": by(_routes, "route_table_id", "destination_cidr_block"),
    "aws_route_table_association": by(_route_table_associations, "route_table_id", "subnet_id"),
    "aws_eip": by(_addresses),
    "aws_nat_gateway": by(_nat_gateways, "subnet_id", "allocation_id"),
    "aws_vpc_endpoint": by(_endpoints, "vpc_id", "service_name"),
}
