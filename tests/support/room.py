"""An embedded AWS whose containers really run, and what tests do in it: tasks, services, a look into the engine."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import docker
from tasks.core import embedded_aws
from tasks.core.embedded_containers import Containers

Clients = Callable[..., Any]
_numbers = itertools.count()


@dataclass
class Room:
    """A server with containers on a home of its own."""

    home: Path
    python: Path
    containers: Containers
    clients: Callable[..., Clients]
    image: str
    server: embedded_aws.Server = field(init=False)

    def start(self, *options: str) -> Room:
        self.server = embedded_aws.start(self.home, self.python, options=options, containers=self.containers,
                                         port=embedded_aws._last_port(self.home) or 0)
        return self

    def stop(self) -> None:
        embedded_aws.stop(self.home)

    def kill(self) -> None:
        """End the server with kill -9; its containers stay."""
        os.kill(self.server.pid, signal.SIGKILL)
        assert until(lambda: embedded_aws._held(self.home), lambda held: not held, 5) is False

    def aws(self, service: str) -> Any:
        return self.clients(self.server)(service)

    @property
    def label(self) -> str:
        return f"label=ministack.instance={json.loads((self.home / 'instance.json').read_text())['instance']}"

    def ids(self) -> list[str]:
        """All containers of this home, running or not."""
        return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", self.label).stdout.split()

    def volumes(self) -> list[str]:
        return docker("volume", "ls", "--quiet", "--filter", self.label).stdout.split()

    def inspect(self, task: dict) -> dict:
        """Docker's view of a task's only container."""
        label = f"label=com.amazonaws.ecs.task-arn={task['taskArn']}"
        found = docker("ps", "--all", "--quiet", "--filter", label).stdout.split()
        return json.loads(docker("inspect", *found).stdout)[0]

    def define(self, volumes: tuple = (), family: str = "", **more: Any) -> str:
        """A task definition of one container from the tiny image. Its log goes to the group /tests."""
        logs = self.aws("logs")
        if not logs.describe_log_groups(logGroupNamePrefix="/tests")["logGroups"]:
            logs.create_log_group(logGroupName="/tests")
        container = {"name": "one", "image": self.image, "memory": 32, "essential": True, "logConfiguration": {
            "logDriver": "awslogs", "options": {"awslogs-group": "/tests", "awslogs-region": "ap-southeast-2",
                                                "awslogs-stream-prefix": "one"}}} | more
        made = self.aws("ecs").register_task_definition(
            family=family or new("family"), networkMode="bridge", containerDefinitions=[container], volumes=list(volumes))
        return made["taskDefinition"]["taskDefinitionArn"]

    def run(self, script: str, **more: Any) -> dict:
        """A task that runs a script to its end."""
        arn = self.begin(script, **more)["taskArn"]
        return until(lambda: self.task(arn), lambda task: task["lastStatus"] == "STOPPED", 20)

    def begin(self, script: str = "", overrides: dict | None = None, **more: Any) -> dict:
        command = {"command": ["sh", "-c", script]} if script else {}
        return self.aws("ecs").run_task(taskDefinition=self.define(**command, **more), overrides=overrides or {})["tasks"][0]

    def running(self, task: dict) -> dict:
        return until(lambda: self.task(task["taskArn"]), lambda found: found["lastStatus"] == "RUNNING", 20)

    def task(self, arn: str) -> dict:
        return self.aws("ecs").describe_tasks(tasks=[arn])["tasks"][0]

    def log(self, task: dict, lines: int = 1) -> list[str]:
        """What a task said. Its last lines arrive a moment after it ended."""
        stream = f"one/one/{task['taskArn'].rsplit('/', 1)[1]}"

        def said() -> list[str]:
            try:
                found = self.aws("logs").get_log_events(logGroupName="/tests", logStreamName=stream, startFromHead=True)
            except self.aws("logs").exceptions.ResourceNotFoundException:
                return []
            return [event["message"] for event in found["events"]]

        return until(said, lambda found: len(found) >= lines, 5)

    def serve(self, count: int = 1, path: str = "/ping", breaker: bool = True, **more: Any) -> Service:
        """A service of the tiny web server behind a load balancer of its own."""
        elb, ec2, name = self.aws("elbv2"), self.aws("ec2"), new("service")
        vpc = ec2.create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.4.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
        balancer = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        group = elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath=path, HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2, UnhealthyThresholdCount=2)["TargetGroups"][0]
        elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP",
                            DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}])
        service = Service(self, name, group["TargetGroupArn"])
        self.aws("ecs").create_service(
            serviceName=name, taskDefinition=self.define(**service.container, **more), desiredCount=count,
            loadBalancers=[{"targetGroupArn": group["TargetGroupArn"], "containerName": "one", "containerPort": 8000}],
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": breaker, "rollback": breaker}})
        return service


@dataclass
class Service:
    """A service in a room."""

    room: Room
    name: str
    group: str
    container = {"portMappings": [{"containerPort": 8000, "hostPort": 0}]}

    @property
    def now(self) -> dict:
        return self.room.aws("ecs").describe_services(services=[self.name])["services"][0]

    @property
    def targets(self) -> list[str]:
        found = self.room.aws("elbv2").describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in found]

    @property
    def said(self) -> list[str]:
        return [each["message"] for each in self.now["events"]]

    @property
    def address(self) -> str:
        return f"{self.room.server.endpoint}/_alb/{self.name}"

    def update(self, **more: Any) -> None:
        """Roll out another revision."""
        definition = self.room.define(**{**self.container, **more})
        self.room.aws("ecs").update_service(service=self.name, taskDefinition=definition)

    def settle(self, seconds: float = 40) -> dict:
        """The service when its only deployment is complete with all its tasks."""
        return until(lambda: self.now, lambda found: len(found["deployments"]) == 1
                     and found["deployments"][0]["rolloutState"] == "COMPLETED"
                     and found["runningCount"] == found["desiredCount"], seconds)

    @property
    def outcomes(self) -> list[str]:
        """What became of its deployments, the newest first."""
        found = self.room.aws("ecs").list_service_deployments(cluster="default", service=self.name)["serviceDeployments"]
        return [each["status"] for each in found]


def new(name: str) -> str:
    return f"{name}-{next(_numbers)}"


def until(look: Callable[[], Any], is_it: Callable[[Any], bool], seconds: float) -> Any:
    """Look until it is as wanted, or the time is up; the last look either way."""
    deadline = time.monotonic() + seconds
    while not is_it(found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
