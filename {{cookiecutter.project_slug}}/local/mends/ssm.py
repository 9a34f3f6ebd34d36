"""Systems Manager's parameters: the AMI that AWS publishes, and secrets that live and die with their key."""

from __future__ import annotations

from mends import around_function, mend

AWS_MANAGED = "alias/aws/ssm"


@mend("ssm.published-images", "the published id of the ECS image is not found, and nobody may put a parameter under /aws/")
def published_images() -> None:
    from ministack.services import ssm

    image = "ami-0c2023a1b2c3d4e5f"  # one that MiniStack's EC2 knows
    for system in ("amazon-linux-2023", "amazon-linux-2023/arm64"):
        ssm._PUBLIC_AMI_PARAMETERS[f"/aws/service/ecs/optimized-ami/{system}/recommended/image_id"] = image


@mend("ssm.write-needs-key", "a secret is written under an alias that is not there, or a key that is disabled or about to "
      "be deleted, so `bootstrap` could forget the key")
def write_needs_key() -> None:
    from ministack.services import ssm

    @around_function(ssm, "_put_parameter")
    def checked(original, request):
        known = ssm._parameters.get(request.get("Name")) or {}
        if (request.get("Type") or known.get("Type")) != "SecureString":
            return original(request)
        wanted = request.get("KeyId") or AWS_MANAGED
        key = _key(wanted)
        if wanted != AWS_MANAGED and (key is None or key["KeyState"] != "Enabled"):
            return _refused(wanted, key)
        answer = original(request)
        if answer[0] == 200 and key:
            ssm._parameters[request["Name"]]["_key"] = key["KeyId"]
        return answer


@mend("ssm.read-needs-key", "a secret stays readable when its key is disabled or about to be deleted, so the loss of a key "
      "never shows")
def read_needs_key() -> None:
    from ministack.services import ssm

    @around_function(ssm, "_param_out")
    def checked(original, parameter, with_decryption=False):
        if with_decryption and parameter["Type"] == "SecureString":
            key = _key(parameter.get("_key") or parameter["KeyId"])
            if key and key["KeyState"] != "Enabled":
                raise _Unreadable(parameter["KeyId"], key)
        return original(parameter, with_decryption)

    def refused(original, request):
        try:
            return original(request)
        except _Unreadable as error:
            return _refused(*error.args)

    for action in ("_get_parameter", "_get_parameters", "_get_parameters_by_path"):
        around_function(ssm, action)(refused)


class _Unreadable(Exception):
    """A secret's key cannot be used; the arguments are the key as it was named, and its record."""


def _key(named: str) -> dict | None:
    from ministack.services import kms

    return kms._resolve_key(named)


def _refused(named: str, key: dict | None) -> tuple:
    from ministack.core.responses import error_response_json

    if key is None:
        return error_response_json("InvalidKeyId", f"Alias {named} is not found.", 400)
    state = "disabled" if key["KeyState"] == "Disabled" else "pending deletion"
    return error_response_json("InvalidKeyId", f"{key['Arn']} is {state}.", 400)
