"""What chamber and AWS allow as a service, a key and a value: said before AWS is asked, whose own errors are poor.

Chamber's expressions, with Go's ASCII meaning of ``\\w``; AWS's limits: API reference, PutParameter.
"""

from __future__ import annotations

import re

from .console import BadInput

SERVICE = re.compile(r"[\w\-.]+(/[\w\-.]+)*", re.ASCII)
KEY = re.compile(r"[\w\-.]+", re.ASCII)
STORED = re.compile(r"(/[\w\-.]+)+", re.ASCII)  # chamber passes over parameters with any other name

NAME_LENGTH = 1011
LEVELS = 15
VALUE_BYTES = 4096  # of a standard parameter; chamber never asks for an advanced one

NESTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def check_service(service: str) -> str:
    """The service as chamber uses it: lower case. Raises BadInput."""
    if not SERVICE.fullmatch(service):
        raise BadInput(f"{service!r} cannot be a chamber service: letters, digits, - _ and ., in parts joined by single "
                       "slashes, for example datacube-wms-dev.")
    if service.lower().startswith(("aws", "ssm")):
        raise BadInput(f"{service!r} cannot be a chamber service: AWS keeps names that begin with aws or ssm for itself.")
    return service.lower()


def check_key(key: str, exact: bool = False) -> str:
    """The key as chamber uses it: lower case, unless ``exact``. Raises BadInput."""
    if not KEY.fullmatch(key):
        raise BadInput(f"{key!r} cannot be a key: letters, digits, - _ and . only, for example db_password.")
    return key if exact else key.lower()


def check_name(name: str) -> str:
    """A parameter's whole name, /service/key. Raises BadInput when AWS would not take it."""
    if len(name) > NAME_LENGTH:
        raise BadInput(f"{name[:40]}… has {len(name)} characters; AWS allows {NAME_LENGTH}.")
    if name.count("/") > LEVELS:
        raise BadInput(f"{name} has {name.count('/')} levels; AWS allows {LEVELS}.")
    return name


def check_value(value: str, key: str) -> str:
    """The value itself. Raises BadInput, which never repeats it."""
    if not value:
        raise BadInput(f"The value of {key} is empty: the parameter store takes no empty value.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadInput(f"The value of {key} is not valid text: it holds half of a character.") from None
    if size > VALUE_BYTES:
        raise BadInput(f"The value of {key} has {size} bytes; a parameter holds {VALUE_BYTES}.")
    if NESTED.search(value):
        raise BadInput(f"The value of {key} holds {{{{…}}}}, which AWS would take for the name of another parameter.")
    return value
