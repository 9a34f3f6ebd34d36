"""A replacement that was stopped when the new object was there, and the state did not know it yet.

While the old object stands at the address, nothing can be imported there. So the old one is set aside in the state, as
Terraform itself does it when the new one is complete ("deposed"): the next plan adopts the new one and deletes the old one.
"""

from __future__ import annotations

import json
import secrets

from .. import state_file, state_lock
from ..console import Refused
from ..initialise import state_object
from ..session import Session
from ..state_bucket import owned

# Those with `create_before_destroy`: they have a `name_prefix`, so that two of them can be there at once.
NEW_ONE_FIRST = ("aws_security_group", "aws_db_parameter_group")


def set_aside(session: Session, address: str) -> None:
    """Set the object at an address aside in the state, under the lock. Raises Refused (3) when there is none."""
    lock = state_lock.acquire(session, "recover")
    try:
        place, s3 = owned(session, state_object(session.settings)), session.client("s3")
        answer = s3.get_object(**place)
        changed = _with_deposed(json.loads(answer["Body"].read()), address)
        if changed is None:
            raise Refused(f"The state holds nothing at {address}.", run=session.settings.command("plan"))
        s3.put_object(**place, Body=json.dumps(changed, indent=2).encode() + b"\n", IfMatch=answer["ETag"],
                      ContentType="application/json", ServerSideEncryption="AES256")
    finally:
        state_lock.release(session, lock)


def _with_deposed(content: dict, address: str) -> dict | None:
    for resource in content["resources"]:
        for instance in resource["instances"]:
            alone = state_file.parse({**content, "resources": [{**resource, "instances": [instance]}]}).resources
            if alone and alone[0].address == address and not alone[0].deposed:
                instance["deposed"] = secrets.token_hex(4)  # Terraform's own form
                return {**content, "serial": content["serial"] + 1}
    return None
