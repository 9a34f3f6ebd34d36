"""What a task is given so that its program finds the embedded AWS: endpoint, region, keys, secrets."""

from __future__ import annotations

import docker_engine as engine

from mends import around_function, mend

UNREACHABLE = "host.docker.internal"  # the name that MiniStack gives its host


@mend("ecs.environment", "chamber and every other program in Go refuses the credentials' address, knows no region, and GDAL "
      "looks for its data in the real AWS", containers=True)
def environment() -> None:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import ecs

    @around_function(ecs, "_register_metadata")
    def given(original, task_arn, cluster, task_definition, definition, launch_type, variables, *arguments):
        own = dict(variables)
        token = original(task_arn, cluster, task_definition, definition, launch_type, variables, *arguments)
        for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            variables.pop(name)
        metadata = variables["ECS_CONTAINER_METADATA_URI_V4"]
        for host in (UNREACHABLE, "127.0.0.1"):
            metadata = metadata.replace(f"//{host}:", f"//{engine.here.bridge}:")
        variables |= {
            "ECS_CONTAINER_METADATA_URI_V4": metadata,
            "AWS_ENDPOINT_URL": engine.here.endpoint,
            "AWS_REGION": get_region(),
            "AWS_DEFAULT_REGION": get_region(),
            "AWS_ACCESS_KEY_ID": get_account_id(),
            "AWS_SECRET_ACCESS_KEY": "local",
            "CHAMBER_AWS_SSM_ENDPOINT": engine.here.endpoint,  # chamber 2's own name for it
            "AWS_S3_ENDPOINT": f"{engine.here.bridge}:{engine.here.port}",  # these three are GDAL's
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            **own,  # what the task definition says is never overwritten
        }
        return token


@mend("ecs.secrets", "a secret of the task definition arrives as its cipher, and also when its key is disabled",
      containers=True)
def secrets() -> None:
    from ministack.services import ecs, ssm

    @around_function(ecs, "_resolve_container_secrets")
    def readable(original, definition):
        if any("secretsmanager" not in each.get("valueFrom", "") for each in definition.get("secrets", ())):
            _require_keys(definition)
        return original(definition)

    @around_function(ssm, "resolve_parameter_value")
    def decrypted(original, name, version=None, decrypt=True):
        return original(name, version, decrypt)


def _require_keys(definition: dict) -> None:
    """Raise MiniStack's own error, which stops the task, for a secret whose key cannot be used."""
    from ministack.services import ecs, kms, ssm

    for each in definition["secrets"]:
        _, parameter = ssm._lookup_parameter(each["valueFrom"], allow_arn_region=True, flexible_name=True)
        if parameter and parameter["Type"] == "SecureString":
            key = kms._resolve_key(parameter.get("_key") or parameter["KeyId"])
            if key and key["KeyState"] != "Enabled":
                raise ecs._SecretResolutionError(f"{each['valueFrom']}: {key['Arn']} is {key['KeyState']}")
