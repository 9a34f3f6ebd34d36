"""RDS where containers run: which image, at which address, and what becomes of its data."""

from __future__ import annotations

import docker_engine as engine

from mends import around, around_function, mend

POSTGIS = "3.5"  # as the image of RDS's own PostgreSQL 17 has it


@mend("rds.postgis-image", "the database has no PostGIS", containers=True)
def postgis_image() -> None:
    from ministack.services import rds

    @around_function(rds, "_docker_image_for_engine")
    def with_postgis(original, name, version, *arguments):
        image, *more = original(name, version, *arguments)
        if name == "postgres":
            image = f"postgis/postgis:{version.split('.')[0]}-{POSTGIS}"
        return image, *more


@mend("rds.address", "the database's address means nothing in a task, or changes at each start, and its port is open to the "
      "whole network", containers=True)
def address() -> None:
    from ministack.services import rds

    rds._MINISTACK_HOST = engine.here.bridge

    @around_function(rds, "_run_rds_container")
    def published(original, client, name, wanted, tls_names=(), tls_ips=()):
        wanted["ports"] = {port: [(address, number) for address in ("127.0.0.1", engine.here.bridge)]
                           for port, number in wanted["ports"].items()}
        return original(client, name, wanted, tls_names=tls_names, tls_ips=(*tls_ips, engine.here.bridge))

    @around_function(rds, "_start_rds_container_for_instance")
    def at_its_address(original, name, instance):
        if not instance.get("_HostPort"):  # it was made while nothing ran
            instance["_HostPort"] = rds._next_port()
        instance["Endpoint"] |= {"Address": engine.here.bridge, "Port": instance["_HostPort"]}
        return original(name, instance)


@mend("rds.data", "a database's data goes with its container, outlives its deletion, or is another project's of the same "
      "name", containers=True)
def data() -> None:
    from ministack.services import rds

    rds.RDS_PERSIST = True

    @around_function(rds, "_rds_docker_name")
    def of_this_home(original, *arguments):
        return f"{original(*arguments)}-{engine.here.instance}"

    def volume(identifier: str) -> str:
        return engine.volume(rds._rds_docker_volume_name(identifier))[0]

    @around_function(rds, "_run_rds_container")
    def with_volume(original, client, name, wanted, **more):
        mounted = next(iter(wanted["volumes"].values()))
        wanted["volumes"] = {volume(wanted["labels"]["db_id"]): mounted}
        return original(client, name, wanted, **more)

    @around(rds, "DeleteDBInstance")
    def with_its_data(original, request):
        instance = rds._resolve_instance(rds._p(request, "DBInstanceIdentifier"))
        answer = original(request)
        if answer[0] == 200 and instance:
            engine.client().volumes.get(volume(instance["DBInstanceIdentifier"])).remove(force=True)
        return answer
