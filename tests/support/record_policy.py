"""Record which calls each role's tasks make: a whole life of a stack in the embedded AWS, seen by a proxy.

    python tests/support/record_policy.py PROJECT

PROJECT is where the template's project lies; the record is written into it, beside the documents made of it. The stack
holds what a workspace may have (jumpbox, schedule, both kinds of storage), so that no choice lacks its calls. Nothing is
narrowed here: which resources a call may touch is decided in ``tasks/core/policy``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

from driven_project import share
from recorded_calls import RecordingAws

WORKSPACE, ACCOUNT = "dev", "111111111111"
REGION = "ap-southeast-2"
ANSWERS = {"account": ACCOUNT, "storage": "both", "jumpbox_cidrs": "203.0.113.0/24"}
UNPROTECTED = {"db_deletion_protection": "false", "alb_deletion_protection": "false",
               "data_buckets": '["example-data"]', "key_name": '"operators"',
               "jobs": '{ update = { schedule = "cron(1 14 * * ? *)" } }'}
CHANGED = {"instance_type": '"t3.large"', "db_storage": "30", "max_size": "5", "log_retention_days": "60", "memory": "1024",
           "jumpbox_cidrs": "[]", "jobs": "{}"}
BACK = {"jumpbox_cidrs": '["203.0.113.0/24"]', "jobs": UNPROTECTED["jobs"]}  # so that a destroy has all to destroy

# The tasks of each role, in the order in which a stack lives.
FIRST = (("bootstrap",),)
MADE = (("chamber.write", "{id}-admin", "db_password"), ("plan",), ("apply", "--yes"))
READING = (("init",), ("plan",), ("output",), ("doctor",), ("drift",), ("kms.status",), ("service.status",),
           ("service.wait",), ("logs.tail",), ("state.history",), ("chamber.list", "{id}"), ("chamber.list-services",))
SECOND = (("bootstrap",), ("plan",), ("apply", "--yes"), ("service.run", "init-db"), ("service.run", "init-db", "--stop"),
          ("chamber.history", "{id}", "db_port"), ("chamber.write", "{id}", "api_key"), ("chamber.read", "{id}", "api_key"),
          ("chamber.export", "{id}"), ("chamber.delete", "{id}", "api_key", "--yes"))
THIRD = (("plan",), ("apply", "--yes"), ("service.rollback", "--yes"))
LAST = (("destroy", "--confirm", "{id}"),)
NEVER_ENDS = {"service.run"}  # a task that is only recorded: Ctrl-C stops it


class Life:
    """One stack, driven by the tasks; each call is noted for the role that acts."""

    def __init__(self, project: Path, aws: RecordingAws):
        self.project, self.aws = project, aws
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR", "TF_LOG"))}
        self.environment = {**kept, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "any",
                            "AWS_ENDPOINT_URL": aws.address, "AWS_EC2_METADATA_DISABLED": "true", "LOCAL_CONTAINERS": "0"}

    def act(self, role: str, tasks: tuple[tuple[str, ...], ...], may_fail: bool = False) -> None:
        """Run tasks as a role. ``may_fail``: an answer such as doctor's is no failure of the record."""
        self.aws.role = role
        for task, *words in tasks:
            words = [word.format(id=f"{self.project.name}-{WORKSPACE}") for word in words]
            process = subprocess.Popen(
                [sys.executable, "-m", "invoke", task, "-w", WORKSPACE, *words, "--endpoint-from-env"], cwd=self.project,
                env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if task in NEVER_ENDS:
                time.sleep(15)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate("a-long-Password-1\n")
            print(f"{role}: {task}: exit {process.returncode}", file=sys.stderr, flush=True)
            if process.returncode and not may_fail:
                raise SystemExit(out[-3000:] + err[-3000:])
            if process.returncode:
                print(err[-600:], file=sys.stderr)

    def pin(self, image: str) -> None:
        """Have the services run this one: a manifest alone, in the embedded registry, so that nothing is built."""
        ecr = boto3.client("ecr", REGION, endpoint_url=f"http://{self.aws.target}", aws_access_key_id=ACCOUNT,
                           aws_secret_access_key="any")
        oci = "application/vnd.oci.image"
        manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "layers": [], "config": {
            "mediaType": f"{oci}.config.v1+json", "digest": f"sha256:{image * 64}", "size": 2}})
        digest = ecr.put_image(repositoryName=self.project.name, imageManifest=manifest)["image"]["imageId"]["imageDigest"]
        file = self.project / "workspaces" / f"{WORKSPACE}.images.tfvars.json"
        repository = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{self.project.name}"
        file.write_text(json.dumps({"images": {"ows": f"{repository}@{digest}"}}))

    def edit(self, values: dict[str, str]) -> None:
        file = self.project / "workspaces" / f"{WORKSPACE}.tfvars"
        text = file.read_text()
        for name, value in values.items():
            line = f"{name} = {value}"
            text, count = re.subn(rf"(?m)^( *){name}\s*=.*$", lambda found, line=line: found[1] + line, text)
            text += "" if count else f"{line}\n"
        file.write_text(text)


def record(project: Path, aws: RecordingAws) -> None:
    """Drive one life of a stack: made, looked at, changed, changed back, destroyed."""
    life = Life(project, aws)
    life.edit(UNPROTECTED)
    life.act("deploy", FIRST)
    life.pin("0")
    life.act("deploy", MADE)
    life.act("plan", READING, may_fail=True)
    life.edit(CHANGED)
    life.act("plan", (("plan",),))
    life.act("deploy", SECOND, may_fail=True)
    life.pin("1")
    life.edit(BACK)
    life.act("deploy", THIRD, may_fail=True)
    life.act("destroy", LAST)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
    from cookiecutter.main import cookiecutter

    source = Path(sys.argv[1])
    sys.dont_write_bytecode = True  # the project's folder is what cookiecutter copies
    sys.path.insert(0, str(source))
    from tasks.core import embedded_aws

    embedded = source.parent / "build" / "ministack"
    embedded_aws.environment(embedded, print)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(cookiecutter(str(source.parent), no_input=True, output_dir=folder, extra_context=ANSWERS))
        share(embedded, project)
        subprocess.run([sys.executable, "-m", "invoke", "local.up"], cwd=project, check=True,
                       env={**os.environ, "LOCAL_CONTAINERS": "0"})
        endpoint = json.loads((project / ".local" / "aws" / "server.json").read_text())["endpoint"]
        try:
            with RecordingAws(endpoint) as aws:
                record(project, aws)
        finally:
            subprocess.run([sys.executable, "-m", "invoke", "local.down"], cwd=project, check=True)
    if aws.unknown:
        raise SystemExit("No model knows these requests: " + ", ".join(sorted(aws.unknown)))
    found = {role: {service: sorted(names) for service, names in sorted(services.items())}
             for role, services in sorted(aws.calls.items())}
    file = source / "tasks" / "core" / "policy" / "recorded.json"
    file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
