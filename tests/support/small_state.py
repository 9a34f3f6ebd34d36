"""A state of a few bytes, and the bucket that it lies in."""

from __future__ import annotations

import json

from tasks.core.initialise import state_object

MAIN = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


def state(serial: int, lineage: str = "one", resources: int = 0) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "outputs": {}, "resources": [
        {"mode": "managed", "type": "aws_vpc", "name": f"n{number}", "instances": [{"attributes": {"id": f"vpc-{number}"}}]}
        for number in range(resources)]}).encode()


class Bucket:
    def __init__(self, aws, client):
        self.s3, self.name, self.key = client("s3"), aws.settings.state_bucket, state_object(aws.settings)

    def put(self, content: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=self.key, Body=content)

    @property
    def content(self) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=self.name, Key=self.key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
