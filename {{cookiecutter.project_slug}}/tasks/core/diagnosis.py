"""What a container's last lines mean: the cause in one sentence, and the command that mends it.

The lines are those of datacube-ows 1.9, libpq, chamber and ECS, each of them seen (the table below says where they come
from). The table's order is the order of causes: a database that is empty also has no product, and a service that fails
its health check does so for some reason that stands above it in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .settings import Settings


@dataclass(frozen=True)
class Diagnosis:
    """``cause`` is one sentence; ``run`` the command that mends it, or shows more; ``vague`` as in Known."""

    cause: str
    run: str
    vague: bool = False


@dataclass(frozen=True)
class Known:
    """A line that we know.

    pattern  searched in each line, and in ECS's reason; its groups fill ``{0}``, ``{1}`` … of the sentence
    cause    the sentence; {service} is the chamber service that was read, {workspace} the workspace
    task     the task to run, with its arguments
    admin    the task to run instead when an administration job said it
    vague    something else must have caused it, which nothing that was said tells
    """

    pattern: str
    cause: str
    task: str
    admin: str = ""
    vague: bool = False


CONNECTION = r'connection to server at "([^"]+)"[^,]*(?:, port \d+)? failed: '  # libpq

MEMORY = "The container ran out of memory: give it more in workspaces/{workspace}.tfvars."

KNOWN = (
    # --- before anything of ours runs: ECS, the registry, the machine (CannotPullContainerError: ECS; the rest: Docker)
    Known(r"no matching manifest for (linux/\S+)",
          "The image is not built for {0}, which the machines are.",
          "docker.build"),
    Known(r"exec format error",
          "The image is built for another processor than the machines'.",
          "docker.build"),
    Known(r"CannotPull\w*Error.*toomanyrequests",
          "The registry limits anonymous pulls, and the machines have had theirs: wait, or give them a login "
          "(registry_credentials in workspaces/{workspace}.tfvars).",
          "deploy"),
    Known(r"CannotPull\w*Error.*(?:no basic auth|unauthorized|denied|authentication required)",
          "The registry does not let the machines pull the image: they may not, or it is not there.",
          "docker.push"),
    Known(r"CannotPull\w*Error.*no space left",
          "The machine's disk is full: the image could not be pulled.",
          "plan"),
    Known(r"CannotPull\w*Error.*(?:timeout|i/o timeout|no such host|connection refused|dial tcp)",
          "The registry cannot be reached from where the tasks run.",
          "plan"),
    Known(r"CannotPull\w*Error|manifest unknown",
          "The image is not in the registry: it was never pushed, its digest is wrong, or it has expired.",
          "docker.push"),
    Known(r"OutOfMemory",
          MEMORY,
          "deploy"),
    Known(r"ResourceInitializationError.*(?:EFS|fs-[0-9a-f]+|mount)",
          "The file system could not be mounted.",
          "plan"),
    Known(r"ResourceInitializationError: ([^;]+)",
          "ECS could not prepare the task: {0}.",
          "plan"),

    # --- chamber and run.sh (chamber 2 and 3 print the SDK's error; run.sh says "… gave no NAME")
    Known(r"CHAMBER_SERVICE.*(?:not set|unset|empty|parameter|missing)",
          "The container was not told which chamber service to read.",
          "deploy"),
    Known(r"KMSInvalidStateException.*pending deletion|is pending deletion",
          "The key that encrypts the secrets is pending deletion: nothing can be read with it.",
          "kms.rescue"),
    Known(r"(?:KMS)?DisabledException|KMSInvalidStateException|(?:key|arn:aws\S*:kms:\S+) is disabled",
          "The key that encrypts the secrets is disabled.",
          "kms.rescue"),
    Known(r"ciphertext refers to a customer master key that does not exist",
          "The key that encrypts the secrets is gone, is in another region, or the task's role may not use it.",
          "kms.status"),
    Known(r"not authorized to perform: (kms:\w+)",
          "The task's role may not use the key that encrypts the secrets ({0}).",
          "deploy"),
    Known(r"not authorized to perform: (ssm:\w+)",
          "The task's role may not read the parameter store ({0}).",
          "deploy"),
    Known(r"ThrottlingException|Rate exceeded",
          "The parameter store (SSM) throttles: too many asked at once. A service's task is started again by ECS itself.",
          "service.wait",
          admin="deploy"),  # a job is not
    Known(r"chamber service (\S*) gave no ([A-Z]\w*(?:, [A-Z]\w*)*)",
          "The chamber service {0} gave no {1}, and the container does not start without.",
          "chamber.list {0}"),

    # --- the configuration: OWS's workers end and are started again for ever, and the port never answers
    Known(r"(The OWS configuration (?:\S+ )?(?:is no|cannot be read|has no layer)[^\n]*?)\.?(?: run: |$)",
          "{0}.",
          "docker.build"),
    Known(r"DATACUBE_OWS_CFG environment variable not set",
          "The container was not told where the OWS configuration is.",
          "deploy"),
    Known(r"Could not open json config file (\S+?):",
          "The OWS configuration {0} is not there.",
          "docker.build"),
    Known(r"Could not parse json config file (\S+?): (.+)",
          "The OWS configuration {0} is not valid JSON: {1}.",
          "docker.build"),
    Known(r"Could not import python object:? (\S+)",
          "The OWS configuration {0} cannot be imported.",
          "docker.build"),
    Known(r"Missing required config entry in '?([\w .]+?)'? section: '?([\w.]+)",
          "The OWS configuration has no {1} in its section {0}.",
          "docker.build"),
    Known(r"Native CRS for product (\S+) in layer (\S+) \(([^)]+)\) not in published CRSs",
          "The layer {1} is in {2}, which published_CRSs of the OWS configuration does not name.",
          "docker.build"),
    Known(r"Install s3fs to access S3",
          "The image cannot read a configuration in S3: it holds no s3fs.",
          "docker.build"),
    # as s3fs says it to OWS; a job says what it could not read itself, below
    Known(r"^(?![a-z-]+ failed: ).*\(NoSuch(?:Key|Bucket)\) when calling",
          "The OWS configuration, or what it names in S3, is not there.",
          "plan"),
    Known(r"Couldn't get credentials|Unable to locate credentials|NoCredentialProviders",
          "The task has no AWS credentials: its role is missing, or cannot be asked for.",
          "deploy"),

    # --- the database cannot be reached (libpq)
    Known(r'could not translate host name "([^"]*)"',
          'The database\'s name "{0}" is not in the DNS.',
          "chamber.read {service} db_hostname"),
    Known(CONNECTION + r"Connection refused",
          "The database at {0} is down, or nothing listens there: it is stopped, still starts, or is gone (the plan tells).",
          "plan"),
    Known(r"(?:OperationalError|failed: ).*(?:timeout expired|Connection timed out)",
          "The database does not answer: a security group or the network drops what is sent to it.",
          "plan"),
    Known(r"(?:server closed the connection|SSL connection has been closed) unexpectedly|terminating connection due to",
          "The database went away.",
          "plan"),
    Known(r"server does not support SSL",
          "The database speaks no TLS, and the tasks insist on it (PGSSLMODE).",
          "plan"),
    Known(r"no pg_hba\.conf entry for host .*no encryption",
          "The database insists on TLS, and the tasks do without (PGSSLMODE).",
          "plan"),

    # --- the database refuses (PostgreSQL). init-db gives each login role the password that the store holds
    Known(r'password authentication failed for user "([^"]+)"',
          "The database refuses the password of {0}: it is not the one in the parameter store.",
          "service.run init-db",
          admin="deploy"),  # of the master's password, which an apply gives to the database
    Known(r"fe_sendauth: no password supplied",
          "No password reached the container: {service} holds no db_password.",
          "chamber.list {service}"),
    Known(r'database "([^"]+)" does not exist',
          "The database {0} does not exist.",
          "service.run init-db"),
    Known(r'role "([^"]+)" does not exist',
          "The database has no role {0}.",
          "service.run init-db"),
    Known(r"permission denied for schema agdc",
          "The login role may not read the index: it is not a member of agdc_user.",
          "service.run init-db"),
    Known(r'permission denied to set role "([^"]+)"',
          "The administrator is not a member of {0}.",
          "service.run init-db"),

    # --- the database is not ready (datacube, datacube-ows)
    Known(r"No DB schema exists|run init\?|datacube system init",
          "The database is empty: the Open Data Cube was never initialised in it.",
          "service.run init-db"),
    Known(r"permission denied for schema ows",
          "The login role may not read OWS's tables.",
          "service.run schema"),
    Known(r'relation "ows\.\w+" does not exist|schema "ows" does not exist',
          "OWS's tables are missing from the database.",
          "service.run schema"),
    Known(r"Could not find product (\S+) in datacube for layer (\S+)",
          "The layer {1} wants the product {0}, which the database does not have.",
          "service.run products"),
    Known(r"Layer (\S+) is ready but no ranges are available|[Nn]o ranges (?:found )?for layer (\S+)",
          "The layer {0} has no ranges: nothing is indexed for it, or they were not made.",
          "service.run ranges"),
    Known(r"get_ranges failed for layer (\S+?):",
          "The ranges of the layer {0} cannot be read.",
          "service.run ranges"),
    Known(r"Layer '?([^' ]+)'? cannot currently be loaded",
          "The layer {0} cannot be loaded.",
          "service.run products"),

    # --- memory, guessed: gunicorn's line, and the kernel's 137 (which ECS also makes of a task that does not stop in time)
    Known(r"Perhaps out of memory|exit code 137\b|exited with code 137\b",
          MEMORY,
          "deploy"),

    # --- the data (rasterio, GDAL): OWS answers 200 and an empty picture
    Known(r"Error opening source dataset: (\S+)",
          "The data cannot be read: {0}.",
          "service.run index"),

    # --- whatever else kept it from starting; and a job's own sentence (image/ows_jobs/failures.py)
    Known(r"exit code 127\b",
          "The container's command is not in the image.",
          "docker.build"),
    Known(r"Worker failed to boot|HaltServer",
          "The server's workers cannot start.",
          "logs.tail"),
    Known(r"^[a-z-]+ failed: (.+?) run: invoke (\S.*)$",
          "{0}.",
          "{1}"),
    Known(r"^[a-z-]+ failed: (.+)$",
          "{0}.",
          "logs.tail --job admin"),

    # --- nothing above, but the load balancer says how the health path answers (ECS's event and stop reason)
    Known(r"Health checks failed with these codes: \[(\d+)\]",
          "The health path answers with code {0}.",
          "logs.tail",
          vague=True),
    Known(r"Request timed out|health checks? (?:timed out|failed).*timed? ?out",
          "The health path does not answer in time.",
          "logs.tail",
          vague=True),
    Known(r"failed (?:ELB|container) health checks|is unhealthy",
          "The health path does not answer as it should, or not before the service's health_check_grace_period is over.",
          "logs.tail",
          vague=True),
)


def explain(lines: list[str] | tuple[str, ...], reason: str, settings: Settings, service: str = "") -> Diagnosis | None:
    """The cause that a container's last lines and ECS's stop reason tell of; None when they tell of none that we know.

    lines    the last log lines, in their order
    reason   ECS's words: stop reason, exit code, or what an event says of targets
    service  the chamber service that it read; the services' own unless told
    """
    text = "\n".join((*lines, reason))
    for known in KNOWN:
        found = list(re.finditer(known.pattern, text, re.MULTILINE))
        if found:
            return _diagnosis(known, found[-1], settings, service or settings.chamber_service)
    return None


def _diagnosis(known: Known, found: re.Match, settings: Settings, service: str) -> Diagnosis:
    words = [group.strip(" .'\"") for group in found.groups() if group is not None]
    helps = known.admin if known.admin and service == settings.admin_service else known.task
    task, *arguments = helps.format(*words, service=service).split()
    return Diagnosis(known.cause.format(*words, service=service, workspace=settings.workspace),
                     settings.command(task, *arguments), known.vague)
