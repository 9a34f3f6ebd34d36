"""Secrets in SSM, in chamber's layout: /service/key, SecureString under the alias, the version in the description."""

from __future__ import annotations

import secrets
import string

from .console import Failed, Refused
from .session import Session, error_code

# What RDS takes (no / " @ or space) and what is safe in a URL and in a shell.
ALPHABET = string.ascii_letters + string.digits + "_-"
PASSWORD_LENGTH = 32

DB_PASSWORD = "db_password"


def name(service: str, key: str) -> str:
    """The parameter's name as chamber makes it: lower case."""
    return f"/{service}/{key}".lower()


def version(session: Session, service: str, key: str) -> int | None:
    """Chamber's version of a secret, without any right to decrypt it; None when there is no such secret."""
    wanted = name(service, key)
    filters = [{"Key": "Name", "Option": "Equals", "Values": [wanted]}]
    pages = session.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters)
    for page in pages:  # AWS may answer an empty page with more behind it
        for parameter in page["Parameters"]:
            if parameter["Name"] == wanted:
                described = parameter.get("Description", "")
                return int(described) if described.isdecimal() else 0
    return None


def services(session: Session, key_ids: set[str]) -> list[str]:
    """The chamber services with a secret under one of these names of a key (alias, id, ARN)."""
    filters = [{"Key": "Type", "Option": "Equals", "Values": ["SecureString"]}]
    pages = session.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters)
    found = {parameter["Name"].rpartition("/")[0].lstrip("/") for page in pages for parameter in page["Parameters"]
             if parameter.get("KeyId") in key_ids}
    return sorted(found - {""})


def read(session: Session, service: str, key: str) -> str | None:
    """A secret's value; None when there is none. It must never be printed, logged or put into an argument."""
    try:
        answer = session.client("ssm").get_parameter(Name=name(service, key), WithDecryption=True)
    except Exception as error:
        if error_code(error) == "ParameterNotFound":
            return None
        raise
    return answer["Parameter"]["Value"]


def write(session: Session, service: str, key: str, value: str) -> int:
    """Write a secret as ``chamber write`` does; answers its new version."""
    following = (version(session, service, key) or 0) + 1
    try:
        session.client("ssm").put_parameter(
            Name=name(service, key), Type="SecureString", KeyId=session.settings.key_alias, Value=value,
            Overwrite=True, Description=str(following),
        )
    except Exception as error:
        if error_code(error) == "InvalidKeyId":
            raise Refused(f"The secret was not written: {session.settings.key_alias} cannot be used in this account.",
                          run=session.settings.command("bootstrap")) from None
        raise
    return following


def generated_password() -> str:
    """A new password: letters, digits, - and _, beginning with a letter."""
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH - 1))


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
