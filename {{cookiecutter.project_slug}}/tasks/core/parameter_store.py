"""Secrets in SSM, in chamber's layout: /service/key, SecureString under the alias, the version in the description."""

from __future__ import annotations

import json
import secrets as randomness
import string
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import chamber_rules, keys
from .console import BadInput, Failed, Refused, TaskError
from .session import Session, error_code, explain

# What RDS takes (no / " @ or space) and what is safe in a URL and in a shell.
ALPHABET = string.ascii_letters + string.digits + "_-"
PASSWORD_LENGTH = 32

DB_PASSWORD = "db_password"
NO_SERVICE = "(no service)"
STORE_CONFIG = "/_chamber/store-config"


@dataclass(frozen=True)
class Secret:
    """A secret as chamber lists it; ``value`` only where it was asked for, and never in a repr."""

    key: str
    version: int
    modified: datetime
    user: str
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Event:
    """One line of a secret's history, in chamber's words."""

    event: str
    version: int
    date: datetime
    user: str


def name(service: str, key: str, exact_key: bool = False) -> str:
    """The parameter's name as chamber makes it: lower case, but for the key where ``exact_key``. Raises BadInput."""
    return chamber_rules.check_name(
        f"/{chamber_rules.check_service(service)}/{chamber_rules.check_key(key, exact_key)}")


def version(session: Session, service: str, key: str, exact_key: bool = False) -> int | None:
    """Chamber's version of a secret, without any right to decrypt it; None when there is no such secret."""
    found = _described(session, name(service, key, exact_key))
    return None if found is None else _version(found)


def services(session: Session, key_ids: set[str]) -> list[str]:
    """The chamber services with a secret under one of these names of a key (aliases, id, ARNs).

    A parameter that chamber did not write may have no service: ``NO_SERVICE`` stands for all of these.
    """
    filters = [{"Key": "Type", "Option": "Equals", "Values": ["SecureString"]}]
    return sorted({_split(parameter["Name"])[0] or NO_SERVICE for parameter in _describe(session, filters)
                   if parameter.get("KeyId") in key_ids})


def list_services(session: Session, prefix: str = "") -> list[str]:
    """The services that begin with a prefix, as ``chamber list-services``."""
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [f"/{prefix.lower()}"]}]
    found = {_split(parameter["Name"])[0] for parameter in _describe(session, filters)
             if chamber_rules.STORED.fullmatch(parameter["Name"])}
    return sorted(found - {""})


def secrets(session: Session, service: str, expand: bool = False) -> list[Secret]:
    """The secrets of one service by key, with their values only where ``expand`` asks for them."""
    found = map(_secret, _of_service(session, service))
    read = values(session, service) if expand else {}
    return sorted((replace(secret, value=read.get(secret.key)) for secret in found), key=lambda secret: secret.key)


def values(session: Session, service: str) -> dict[str, str]:
    """key -> value of one service, read as ``chamber export`` reads it. They must not be printed or logged unasked."""
    # with the slash at the end: access is granted on the path as it is asked for
    path = f"/{chamber_rules.check_service(service)}/"
    try:
        pages = session.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=True)
        found = [parameter for page in pages for parameter in page["Parameters"]]
    except Exception as error:
        raise _because_of_the_key(session, error) from None
    return {_split(parameter["Name"])[1]: parameter["Value"] for parameter in found
            if chamber_rules.STORED.fullmatch(parameter["Name"])}


def read(session: Session, service: str, key: str, exact_key: bool = False) -> str | None:
    """A secret's value; None when there is none. It must never be printed, logged or put into an argument."""
    try:
        answer = session.client("ssm").get_parameter(Name=name(service, key, exact_key), WithDecryption=True)
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise _because_of_the_key(session, error) from None
    return answer["Parameter"]["Value"]


def secret(session: Session, service: str, key: str, version: int | None = None) -> Secret:
    """A secret with its value, the latest or the one of a chamber version. Raises BadInput when there is none."""
    wanted = name(service, key)
    if version is not None:
        found = [_secret(entry) for entry in _history(session, wanted, decrypt=True)]
        for entry in reversed(found):
            if entry.version == version:
                return entry
        raise _missing(session, service, key, f" of version {version}")
    described = _described(session, wanted)
    if described is None:
        raise _missing(session, service, key)
    return replace(_secret(described), value=read(session, service, key))


def history(session: Session, service: str, key: str) -> list[Event]:
    """What happened to a secret, oldest first. Raises BadInput when there is none."""
    found = _history(session, name(service, key), decrypt=False)
    if not found:
        raise _missing(session, service, key)
    return [Event("Created" if made.version == 1 else "Updated", made.version, made.modified, made.user)
            for made in map(_secret, found)]


def write(session: Session, service: str, key: str, value: str, exact_key: bool = False) -> int:
    """Write a secret as ``chamber write`` does; answers its new version."""
    wanted = name(service, key, exact_key)
    chamber_rules.check_value(value, key)
    present = version(session, service, key, exact_key)
    if present is None:
        _require_no_tags(session)
    return _put(session, wanted, value, present)


def write_all(session: Session, service: str, wanted: dict[str, str]) -> list[str]:
    """Write secrets by key, keys exactly as they are; answers the keys whose value was not the same already.

    Everything is checked before the first is written. Raises BadInput, also for one that is there and no secret; Failed
    with how far it came; again, it goes on there.
    """
    names = {key: name(service, key, exact_key=True) for key in sorted(wanted)}
    for key in names:
        chamber_rules.check_value(wanted[key], key)
    present = {_split(parameter["Name"])[1]: parameter for parameter in _of_service(session, service)}
    same = values(session, service)
    changed = [key for key in names if same.get(key) != wanted[key]]
    _require_secrets(service, {key: present[key]["Type"] for key in changed if key in present})
    if set(changed) - set(present):
        _require_no_tags(session)
    for count, key in enumerate(changed):
        try:
            _put(session, names[key], wanted[key], _version(present[key]) if key in present else None)
        except Exception as error:
            reason = error if isinstance(error, TaskError) else explain(error)
            raise Failed(f"{count} of {len(changed)} secrets were written to {service}, up to but not {key}. "
                         f"{reason.message} The same command again writes only the rest.", run=reason.run) from None
    return changed


def require(session: Session, service: str, key: str, exact_key: bool = False) -> int:
    """A secret's version. Raises BadInput when there is no such secret."""
    found = version(session, service, key, exact_key)
    if found is None:
        raise _missing(session, service, key)
    return found


def delete(session: Session, service: str, key: str, exact_key: bool = False) -> None:
    """Delete a secret and all its versions. Raises BadInput when there is none."""
    try:
        session.client("ssm").delete_parameter(Name=name(service, key, exact_key))
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            raise _missing(session, service, key) from None
        raise


def require_key(session: Session) -> None:
    """Raise Refused (3) unless secrets can be written under the workspace's alias now."""
    key = keys.find(session)
    if key is None:
        raise Refused(f"There is no {session.settings.key_alias} in account {session.settings.account}, under which secrets "
                      "are encrypted.", run=session.settings.command("bootstrap"))
    key.require_usable(session.settings.command("kms.rescue"))


def generated_password() -> str:
    """A new password: letters, digits, - and _, beginning with a letter."""
    rest = "".join(randomness.choice(ALPHABET) for _ in range(PASSWORD_LENGTH - 1))
    return randomness.choice(string.ascii_letters) + rest


def ensure_password(session: Session) -> bool:
    """Make the database's master password if the store has none; answers whether it was made."""
    service = session.settings.admin_service
    if version(session, service, DB_PASSWORD) is not None:
        return False
    write(session, service, DB_PASSWORD, generated_password())
    return True


def require_password(session: Session) -> str:
    """The master password. Raises Refused (3) when the store has none."""
    value = read(session, session.settings.admin_service, DB_PASSWORD)
    if value is None:
        raise Refused(f"The parameter store has no {name(session.settings.admin_service, DB_PASSWORD)}.",
                      run=session.settings.command("deploy"))
    if not value:
        raise Failed(f"{name(session.settings.admin_service, DB_PASSWORD)} is empty.")
    return value


def _put(session: Session, wanted: str, value: str, present: int | None) -> int:
    following = (present or 0) + 1
    try:
        session.client("ssm").put_parameter(Name=wanted, Type="SecureString", KeyId=session.settings.key_alias, Value=value,
                                            Overwrite=True, Description=str(following))
    except Exception as error:
        code = error_code(error)
        if code == "InvalidKeyId":
            require_key(session)
            raise Refused(f"{wanted} was not written: {session.settings.key_alias} cannot be used in this account.",
                          run=session.settings.command("bootstrap")) from None
        if code == "ValidationException" and value in str(error):
            raise Failed(f"AWS refused {wanted} ({code}), in words that repeat the value; they are not shown.") from None
        raise
    return following


def _describe(session: Session, filters: list[dict]) -> Iterable[dict]:
    # AWS may answer an empty page with more behind it: the paginator goes by the token
    pages = session.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters)
    return (parameter for page in pages for parameter in page["Parameters"])


def _of_service(session: Session, service: str) -> list[dict]:
    service = chamber_rules.check_service(service)
    filters = [{"Key": "Path", "Option": "OneLevel", "Values": [f"/{service}"]}]
    return [parameter for parameter in _describe(session, filters)
            if chamber_rules.STORED.fullmatch(parameter["Name"]) and _split(parameter["Name"])[0] == service]


def _require_secrets(service: str, types: dict[str, str]) -> None:
    """Raise BadInput for what is there as another type: AWS changes no parameter's (HierarchyTypeMismatchException)."""
    other = [f"{key} ({type_})" for key, type_ in types.items() if type_ != "SecureString"]
    if other:
        raise BadInput(f"{service} has {', '.join(other)} already, which is no SecureString, and AWS changes no parameter's "
                       "type. Delete it, or leave it out. Nothing was written.")


def _described(session: Session, wanted: str) -> dict | None:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [wanted]}]
    return next((parameter for parameter in _describe(session, filters) if parameter["Name"] == wanted), None)


def _history(session: Session, wanted: str, decrypt: bool) -> list[dict]:
    try:
        pages = session.client("ssm").get_paginator("get_parameter_history").paginate(Name=wanted, WithDecryption=decrypt)
        return [entry for page in pages for entry in page["Parameters"]]
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return []
        raise _because_of_the_key(session, error) from None


def _secret(described: dict) -> Secret:
    return Secret(_split(described["Name"])[1], _version(described), described["LastModifiedDate"],
                  described.get("LastModifiedUser", ""), described.get("Value"))


def _version(described: dict) -> int:
    """Chamber's version; 0 for a parameter that chamber did not write."""
    text = described.get("Description", "")
    return int(text) if text.isdecimal() else 0


def _split(wanted: str) -> tuple[str, str]:
    service, _, key = wanted.lstrip("/").rpartition("/")
    return service, key


def _missing(session: Session, service: str, key: str, which: str = "") -> BadInput:
    return BadInput(f"The service {service} has no secret {key}{which}.",
                    run=session.settings.command("chamber.list", service))


def _because_of_the_key(session: Session, error: Exception) -> Exception:
    """The error itself, unless it is because of the key's state: then the sentence that says so is raised."""
    if error_code(error) == "InvalidKeyId":
        require_key(session)
    return error


def _require_no_tags(session: Session) -> None:
    """Raise Refused (3) when the store wants tags on every new secret, as chamber itself would."""
    try:
        text = session.client("ssm").get_parameter(Name=STORE_CONFIG, WithDecryption=True)["Parameter"]["Value"]
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return
        raise
    try:
        tags = json.loads(text).get("requiredTags") or []
    except (ValueError, AttributeError):
        raise Failed(f"{STORE_CONFIG} is not what chamber writes there: a JSON object.") from None
    if tags:
        raise Refused(f"{STORE_CONFIG} wants the tags {', '.join(tags)} on every new secret. Write its first version with "
                      "chamber itself; later ones can be written here.",
                      run=f"chamber write --tags {','.join(f'{tag}=…' for tag in tags)} SERVICE KEY -")
