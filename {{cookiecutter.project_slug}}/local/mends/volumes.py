"""What tasks mount: a file system, a volume of Docker's, a folder of the machine."""

from __future__ import annotations

import io
import tarfile

import docker_engine as engine

from mends import around_function, mend


@mend("ecs.volumes", "only folders of the machine are mounted: a file system's data is lost with its task", containers=True)
def volumes() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_docker_binds_from_taskdef")
    def all_kinds(original, task_definition, definition):
        declared = {each["name"]: each for each in task_definition.get("volumes", ())}
        return [f"{_place(declared[point['sourceVolume']], task_definition, definition)}:{point['containerPath']}:"
                f"{'ro' if point.get('readOnly') else 'rw'}"
                for point in definition.get("mountPoints", ()) if point.get("sourceVolume") in declared]


def _place(declared: dict, task_definition: dict, definition: dict) -> str:
    """A folder of the machine, or a volume of this home that stands for what is mounted."""
    folder = (declared.get("host") or {}).get("sourcePath")
    if folder:
        return folder
    system = declared.get("efsVolumeConfiguration")
    if not system:
        return engine.volume(f"{task_definition['family']}-{declared['name']}")[0]
    point = (system.get("authorizationConfig") or {}).get("accessPointId", "")
    directory = (system.get("rootDirectory") or "/").strip("/").replace("/", "-")
    name, new = engine.volume("-".join(each for each in (system["fileSystemId"], point or directory) if each))
    if new and point:
        _give(name, definition["image"], point)
    return name


def _give(volume: str, image: str, point: str) -> None:
    """Let the access point's owner write: a new volume is root's. Done in a container that is made and never started."""
    from ministack.services import efs

    made = (efs._access_points.get(point) or {}).get("RootDirectory", {}).get("CreationInfo")
    if not made:
        return
    entry = tarfile.TarInfo("mounted")
    entry.type, entry.uid, entry.gid = tarfile.DIRTYPE, int(made["OwnerUid"]), int(made["OwnerGid"])
    entry.mode = int(made["Permissions"], 8)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as bundle:
        bundle.addfile(entry)
    helper = engine.client().containers.create(image, ["true"], labels=engine.here.owner, volumes=[f"{volume}:/mounted"])
    try:
        helper.put_archive("/", archive.getvalue())
    finally:
        helper.remove(force=True)
