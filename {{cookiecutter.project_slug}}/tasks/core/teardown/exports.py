"""A workspace's secrets in encrypted files, one for each chamber service: what `chamber.import` takes back.

Each file is read again from the disk, decrypted and compared, before anything leans on it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .. import backup, chamber_formats, parameter_store
from ..console import BadInput, Failed, Refused
from ..session import Session


def services(session: Session) -> list[str]:
    """The chamber services that are this workspace's own, the administration's among them."""
    return sorted({*session.settings.own_chamber_services, session.settings.admin_service})


def write(session: Session, folder: Path, passphrase: str, terraforms: Collection[str] = ()) -> list[Path]:
    """Write what is in the store to FOLDER/<service>.enc; answers the files, each proven to hold just that.

    terraforms  names of parameters that Terraform made (where the database is): the next one has others
    A file of an earlier try that holds the same is taken as it is. Raises Refused (3) for one that holds anything else.
    """
    _make(folder)
    files = []
    for service in services(session):
        secrets = {key: value for key, value in parameter_store.values(session, service).items()
                   if f"/{service}/{key}" not in terraforms}
        if not secrets:
            continue
        file = folder / f"{service}.enc"
        if file.exists():
            if _read(file, passphrase) != secrets:
                raise Refused(f"{file} is there already and holds other secrets; nothing was written over it.")
        else:
            backup.save(file, backup.encrypt(chamber_formats.to_json(secrets), passphrase))
            if _read(file, passphrase) != secrets:
                raise Failed(f"{file} does not hold what was written: the disk is full or broken.")
        files.append(file)
    return files


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{folder} is a file; the secrets go to a folder, one file for each chamber service.") from None


def _read(file: Path, passphrase: str) -> dict[str, str]:
    return chamber_formats.from_json(backup.decrypt(file.read_bytes(), passphrase, str(file)), str(file))
