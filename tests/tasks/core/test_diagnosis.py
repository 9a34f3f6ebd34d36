"""Each line that we know: what it means and what to run. The lines were copied from real logs (datacube-ows 1.9, libpq,
chamber, the scripts of image/), those of ECS from its documentation."""

from __future__ import annotations

import pytest

from tasks.core import diagnosis
from tasks.core.settings import Settings

ODC = "[WARNING] ODC initialisation of env default failed: (psycopg2.OperationalError) "
AT = 'connection to server at "db.internal" (10.0.20.7), port 5432 failed: '
MISSING = (
    'get_ranges failed for layer scene: ProgrammingError((psycopg2.errors.UndefinedTable) relation "ows.layer_ranges" does'
)
DENIED = (
    "operation error SSM: GetParametersByPath, api error AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not "
)

LINES = [
    # libpq
    (ODC + AT + "Connection refused", "The database at db.internal is down", "plan"),
    (
        ODC + 'could not translate host name "db.wrong" to address: Name or service not known',
        '"db.wrong" is not in the DNS',
        "chamber.read {service} db_hostname",
    ),
    (ODC + AT + "timeout expired", "a security group or the network drops", "plan"),
    (ODC + AT + "Connection timed out", "a security group or the network drops", "plan"),
    (
        ODC + AT + 'FATAL:  password authentication failed for user "small_local"',
        "refuses the password of small_local",
        "service.run init-db",
    ),
    (ODC + AT + "fe_sendauth: no password supplied", "holds no db_password", "chamber.list {service}"),
    (ODC + AT + 'FATAL:  database "wms" does not exist', "The database wms does not exist", "service.run init-db"),
    (ODC + AT + 'FATAL:  role "wms" does not exist', "no role wms", "service.run init-db"),
    (ODC + AT + "server does not support SSL, but SSL was required", "speaks no TLS", "plan"),
    (
        ODC + AT + 'FATAL:  no pg_hba.conf entry for host "10.0.1.2", user "u", database "d", no encryption',
        "insists on TLS",
        "plan",
    ),
    ("(psycopg2.OperationalError) server closed the connection unexpectedly", "went away", "plan"),
    ("(psycopg2.OperationalError) SSL connection has been closed unexpectedly", "went away", "plan"),
    # datacube and OWS
    ("IndexSetupError: No DB schema exists. Have you run init?", "The database is empty", "service.run init-db"),
    ("run `datacube system init`", "The database is empty", "service.run init-db"),
    (
        "Could not load layer scene: Could not find product s2_l2a in datacube for layer scene",
        "wants the product s2_l2a",
        "service.run products",
    ),
    (MISSING + " not exist", "OWS's tables are missing", "service.run schema"),
    ("[WARNING] Layer scene is ready but no ranges are available.", "The layer scene has no ranges", "service.run ranges"),
    ("[ERROR] No ranges found for layer scene", "The layer scene has no ranges", "service.run ranges"),
    (
        "(psycopg2.errors.InsufficientPrivilege) permission denied for schema ows",
        "may not read OWS's tables",
        "service.run schema",
    ),
    ("permission denied for schema agdc", "not a member of agdc_user", "service.run init-db"),
    ('permission denied to set role "agdc_admin"', "not a member of agdc_admin", "service.run init-db"),
    ("get_ranges failed for layer scene: KeyError('x')", "ranges of the layer scene cannot be read", "service.run ranges"),
    ("Layer 'scene' cannot currently be loaded - skipping", "layer scene cannot be loaded", "service.run products"),
    ("DATACUBE_OWS_CFG environment variable not set.", "not told where the OWS configuration is", "deploy"),
    ("Could not open json config file /tmp/ows.json: [Errno 2] No such file", "/tmp/ows.json is not there", "docker.build"),
    (
        "Could not parse json config file /tmp/ows.json: Expecting ',' delimiter: line 3",
        "not valid JSON: Expecting ','",
        "docker.build",
    ),
    ("Could not import python object: ows_cfg.ows_cfg", "ows_cfg.ows_cfg cannot be imported", "docker.build"),
    ("Missing required config entry in 'global' section: 'title'", "no title in its section global", "docker.build"),
    (
        "Native CRS for product s2 in layer scene (EPSG:32755) not in published CRSs",
        "scene is in EPSG:32755",
        "docker.build",
    ),
    ("The OWS configuration s3://b/ows.json is no JSON: Expecting value. ", "s3://b/ows.json is no JSON", "docker.build"),
    ("Install s3fs to access S3", "no s3fs", "docker.build"),
    ("ValueError: Couldn't get credentials", "no AWS credentials", "deploy"),
    (
        "botocore.errorfactory.NoSuchKey: An error occurred (NoSuchKey) when calling the GetObject operation: The specified",
        "in S3, is not there",
        "plan",
    ),
    ("Error opening source dataset: s3://b/scene.tif", "The data cannot be read: s3://b/scene.tif", "service.run index"),
    ("Worker (pid:9) was sent SIGKILL! Perhaps out of memory?", "ran out of memory", "deploy"),
    ("gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>", "workers cannot start", "logs.tail"),
    # the image's own scripts, and chamber
    (
        "CHAMBER_SERVICE is not set: it names the chamber service whose secrets this container needs,",
        "which chamber service",
        "deploy",
    ),
    (
        "The chamber service small-local gave no DB_HOSTNAME, DB_PASSWORD, which this container needs (an unknown …)",
        "small-local gave no DB_HOSTNAME, DB_PASSWORD",
        "chamber.list small-local",
    ),
    ("api error KMSInvalidStateException: arn:aws:kms:r:1:key/k is pending deletion.", "pending deletion", "kms.rescue"),
    ("api error DisabledException: arn:aws:kms:r:1:key/k is disabled.", "is disabled", "kms.rescue"),
    (DENIED + "authorized to perform: ssm:GetParametersByPath on resource: x", "may not read the parameter store", "deploy"),
    (
        "api error AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not "
        "exist in this region, or you are not allowed to access.",
        "is gone, is in another region",
        "kms.status",
    ),
    (
        "operation error SSM: GetParametersByPath, exceeded maximum number of attempts, 3, api error ThrottlingException: "
        "Rate exceeded",
        "The parameter store (SSM) throttles",
        "service.wait",
    ),
    ("failed to get parameters: Rate exceeded", "A service's task is started again by ECS itself", "service.wait"),
    (DENIED + "authorized to perform: kms:Decrypt on resource: x", "may not use the key", "deploy"),
    (
        "index failed: 3 of 5 documents did not become datasets; s3://b/a.yaml: no product run: invoke service.run products",
        "3 of 5 documents did not become datasets",
        "service.run products",
    ),
    ("exec /chamber: exec format error", "for another processor", "docker.build"),
]

REASONS = [
    ("CannotPullContainerError: manifest unknown: manifest unknown", "not in the registry", "docker.push"),
    ("CannotPullContainerError: failed to resolve reference r@sha256:0: not found", "not in the registry", "docker.push"),
    (
        "CannotPullContainerError: toomanyrequests: You have reached your unauthenticated pull rate limit. unauthorized",
        "limits anonymous pulls",
        "deploy",
    ),
    (
        "CannotPullContainerError: pull access denied for x, repository does not exist",
        "does not let the machines pull",
        "docker.push",
    ),
    ("CannotPullContainerError: dial tcp: lookup registry.example.com: no such host", "cannot be reached", "plan"),
    ("CannotPullContainerError: no space left on device", "disk is full", "plan"),
    (
        "CannotPullContainerError: no matching manifest for linux/arm64/v8 in the manifest list",
        "not built for linux/arm64",
        "docker.build",
    ),
    ("OutOfMemoryError: Container killed due to memory usage; exit code 137", "ran out of memory", "deploy"),
    ("Essential container in task exited; exit code 137", "ran out of memory", "deploy"),
    ("ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes", "file system", "plan"),
    ("ResourceInitializationError: unable to pull secrets or registry auth", "unable to pull secrets", "plan"),
    ("Essential container in task exited; exit code 127", "command is not in the image", "docker.build"),
    (
        "(service ows) is unhealthy in (target-group x) due to (reason Health checks failed with these codes: [500])",
        "answers with code 500",
        "logs.tail",
    ),
    (
        "(service ows) is unhealthy in (target-group x) due to (reason Request timed out)",
        "does not answer in time",
        "logs.tail",
    ),
    ("Task failed ELB health checks in (target-group x)", "does not answer as it should", "logs.tail"),
]


@pytest.mark.parametrize(("line", "cause", "run"), LINES, ids=lambda value: value[-40:])
def test_a_line_in_the_middle_of_others_says_what_is_wrong_and_what_to_run(local: Settings, line, cause, run):
    lines = [
        "[INFO] Starting gunicorn 27.0.1",
        line,
        '10.0.0.1 - - "GET /ping HTTP/1.1" 500',
        "Traceback (most recent call last):",
    ]
    found = diagnosis.explain(lines, "Task failed ELB health checks in (target-group x)", local)
    assert cause in found.cause
    assert found.run == f"invoke {run.format(service=local.chamber_service)}"
    assert found.cause.endswith(".") and "{" not in found.cause


@pytest.mark.parametrize(("reason", "cause", "run"), REASONS, ids=lambda value: value[-40:])
def test_ecs_own_reason_counts_where_the_log_says_nothing(local: Settings, reason, cause, run):
    found = diagnosis.explain([], reason, local)
    assert cause in found.cause and found.run == f"invoke {run}"


def test_every_known_line_is_tried_here(local: Settings):
    """A pattern that nobody tried is a guess: take it out of the table, one at a time, and a test above must fail."""
    import re

    said = [line for line, *_ in LINES + REASONS]
    assert [known.pattern for known in diagnosis.KNOWN if not any(re.search(known.pattern, line) for line in said)] == []


def test_a_healthy_container_has_nothing_to_explain(local: Settings):
    quiet = ["[INFO] Listening at: http://0.0.0.0:8000 (7)", '10.0.0.1 - - "GET /ping HTTP/1.1" 200 -', "RESULT {}"]
    assert diagnosis.explain(quiet, "Scaling activity initiated by deployment ecs-svc/1", local) is None


def test_the_cause_counts_and_not_its_consequence(local: Settings):
    lines = [
        ODC + AT + 'FATAL:  password authentication failed for user "u"',
        "Could not find product p in datacube for layer l",
        "Worker failed to boot.",
    ]
    assert "password" in diagnosis.explain(lines, "exit code 3", local).cause


def test_what_killed_the_container_counts_more_than_what_it_said_before(local: Settings):
    assert "memory" in diagnosis.explain(["Error opening source dataset: x"], "OutOfMemoryError: killed", local).cause


@pytest.mark.parametrize("said", ["cannot be read: NoSuchBucket: The specified bucket does not exist",
                                  "An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: None"])
def test_what_a_job_does_not_find_in_s3_is_not_the_configuration_of_ows(local: Settings, said):
    found = diagnosis.explain([f"index failed: s3://none/x: {said}"], "exit code 1", local)
    assert found.cause == f"s3://none/x: {said}." and found.run == "invoke logs.tail --job admin"


def test_a_job_that_the_parameter_store_throttled_is_not_started_again_by_itself(local: Settings):
    said = "api error ThrottlingException: Rate exceeded"
    assert diagnosis.explain([said], "", local, service=local.admin_service).run == "invoke deploy"


def test_the_master_password_is_given_to_the_database_by_a_deploy(local: Settings):
    line = AT + 'FATAL:  password authentication failed for user "postgres"'
    assert diagnosis.explain([line], "", local, service=local.admin_service).run == "invoke deploy"
    empty = diagnosis.explain(["No DB schema exists: x."], "", local, service=local.admin_service)
    assert empty.run == "invoke service.run init-db"


def test_the_command_is_for_the_workspace(root):
    from tasks.core import settings

    found = diagnosis.explain(["Layer scene is ready but no ranges are available."], "", settings.load("dev", root))
    assert found.run == "invoke service.run -w dev ranges"
