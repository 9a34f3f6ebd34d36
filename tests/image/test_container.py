"""How a container starts, what it tells when it cannot, what it serves, and how it stops."""

from __future__ import annotations

import json
import re
import time
import uuid

from real_image import BOX, IMAGE, JOBS, LABEL, MAP, OWS, Container, docker, opaque
from tasks.core import embedded_containers, images

CAPABILITIES = "/?service=WMS&version=1.3.0&request=GetCapabilities"


def test_an_unknown_chamber_service_stops_the_container_and_says_what_is_missing(run):
    done = run("gunicorn", service="nothing-here")
    assert done.returncode == 78
    assert "chamber service nothing-here gave no DB_HOSTNAME, DB_DATABASE, DB_USERNAME, DB_PASSWORD" in done.stderr
    assert done.stderr.strip().endswith("run: invoke chamber.list nothing-here")


def test_only_what_is_missing_is_named_and_what_is_required_is_the_projects(run, account):
    account.write("partly", db_hostname="h", db_database="d", db_username="u")
    assert "gave no DB_PASSWORD, which" in run("true", service="partly").stderr
    assert run("true", service="partly", REQUIRED_VARIABLES="DB_HOSTNAME DB_DATABASE").returncode == 0
    assert "gave no API_KEY, which" in run("true", service="partly", REQUIRED_VARIABLES="DB_HOSTNAME API_KEY").stderr


def test_no_chamber_service_at_all_stops_the_container(run):
    done = run("gunicorn", service="")
    assert done.returncode == 78 and "CHAMBER_SERVICE is not set" in done.stderr


def test_one_image_runs_with_the_secrets_of_whichever_service_it_is_told(run, account):
    for service in ("here", "there"):
        account.write(service, db_hostname=f"{service}.example", db_database="d", db_username="u", db_password="a-password")
        assert run("printenv", "DB_HOSTNAME", service=service).stdout.strip() == f"{service}.example"


def test_a_commands_exit_code_is_the_containers(run):
    assert run("sh", "-c", "exit 7").returncode == 7


def test_chamber_gives_way_to_tini_and_tini_starts_gunicorn(server):
    rows = [line.split(None, 2) for line in docker("top", server.id, "-eo", "pid,ppid,args").stdout.splitlines()[1:]]
    first, master, *workers = rows
    assert first[2].startswith("tini -- /ows/run.sh gunicorn") and master[1] == first[0]
    assert "gunicorn" in master[2] and {worker[1] for worker in workers} == {master[0]} and len(workers) == 2
    assert not any("chamber exec" in row[2] for row in rows)


def test_the_capabilities_name_the_layer_at_the_public_address_and_may_be_cached(server):
    status, headers, body = server.get(CAPABILITIES)
    assert status == 200 and b"<Name>sample</Name>" in body and b'"https://maps.example.com/wms?"' in body
    assert re.search(rb"<Dimension[^>]*time[^>]*>\s*2024-01-15,2024-07-15", body)
    assert headers["cache-control"] == "max-age=300"
    assert b"sample" in server.get("/wmts?service=WMTS&version=1.0.0&request=GetCapabilities")[2]


def test_a_map_has_opaque_pixels_and_may_be_cached(server):
    for date in ("2024-01-15", "2024-07-15"):
        status, headers, body = server.get(MAP.replace("2024-01-15", date))
        assert status == 200 and headers["Content-Type"] == "image/png" and headers["cache-control"] == "max-age=3600"
        assert opaque(body) > 0.9
    larger = MAP.replace("width=256&height=256", "width=512&height=512")
    web = larger.replace("EPSG:32756", "EPSG:3857").replace(BOX, "17000000,-4150000,17100000,-4050000")
    assert server.get(larger)[0] == server.get(web)[0] == 200


def test_a_new_date_reaches_a_server_that_runs(run, account, server):
    """The sample layer is dynamic: an indexing job on a schedule needs no restart."""
    scene = IMAGE / "sample" / "2024-07-15"
    document = (scene / "sample.odc-metadata.yaml").read_text().replace("2024-07-15", "2024-09-01")
    document = re.sub(r"(?m)^id: .*$", f"id: {uuid.uuid4()}", document)
    account.bucket("later", {"sample.odc-metadata.yaml": document.encode(),
                             **{file.name: file.read_bytes() for file in scene.glob("*.tif")}})
    later = MAP.replace("2024-01-15", "2024-09-01")
    assert server.get(later)[0] == 400
    assert run.job("index", INDEX='[{"source": "s3://later"}]')["added"] == 1
    assert run.job("ranges")["layers"]["changed"] == ["sample"]
    status, _, body = server.get(later)
    assert status == 200 and opaque(body) > 0.9


def test_a_configuration_that_cannot_be_had_stops_the_container(run, account):
    account.bucket("configurations", {"broken.json": b"{"})
    for url, says in (("s3://configurations/none.json", "NoSuchKey"), ("s3://configurations/broken.json", "is no JSON"),
                      ("https://example.com/ows.json", "is no address in S3")):
        done = run("true", OWS_CONFIG_URL=url)
        assert done.returncode in (69, 78) and says in done.stderr and url in done.stderr
        assert "Traceback" not in done.stderr


def test_the_configuration_passes_upstreams_own_check(run, first_results):
    done = run("sh", "-c", 'datacube-ows-cfg check "$DATACUBE_OWS_CFG" && datacube-ows-cfg check /ows/ows_config/ows.json',
               service="odc-serving")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_task_definition_may_bring_a_configuration_of_its_own(run):
    done = run("printenv", "DATACUBE_OWS_CFG", DATACUBE_OWS_CFG="my.module.configuration")
    assert done.stdout.strip() == "my.module.configuration"


def test_a_stopped_server_ends_in_time_with_0(run, first_results):
    container = run.serve()
    container.wait_for("/ping")
    began = time.monotonic()
    docker("stop", "-t", "60", container.id)
    assert time.monotonic() - began < 20 and container.exit_code == 0


def test_the_server_starts_sooner_than_upstreams_image_does(run, server, first_results):
    """What bytecode and fonts are for. Both start with chamber's part done, so only the server differs."""
    variables = docker("exec", server.id, "cat", "/proc/1/environ").stdout.split("\0")
    given = [part for value in variables if value.startswith(("DB_", "AWS_", "PG")) for part in ("-e", value)]
    upstream = docker("run", "-d", "--label", LABEL, "--network", LABEL, "--entrypoint", "tini", *given,
                      "-e", "DATACUBE_OWS_CFG=/tmp/ows.json", OWS, "--", "sleep", "600").stdout.strip()
    theirs = Container(upstream)
    configuration = docker("exec", server.id, "cat", "/tmp/ows.json").stdout
    docker("exec", "-i", upstream, "sh", "-c", "cat > /tmp/ows.json", input=configuration)
    command = json.loads(docker("image", "inspect", "-f", "{{json .Config.Cmd}}", OWS).stdout)
    docker("exec", "-d", upstream, *command)
    slow = theirs.wait_for("/ping")
    docker("rm", "-f", upstream)
    ours = run.serve()
    quick = ours.wait_for("/ping")
    docker("rm", "-f", ours.id)
    print(f"start to /ping: {quick:.1f} s, upstream's {slow:.1f} s")
    assert quick < slow * 0.7


def test_no_secret_is_in_the_image_in_a_containers_definition_or_in_a_log(run, account, server, image, first_results):
    seen = "".join(run.said) + server.log
    seen += docker("history", "--no-trunc", image).stdout + docker("image", "inspect", image).stdout
    seen += docker("inspect", server.id).stdout + docker("top", server.id, "-eo", "pid,args").stdout
    assert account.secrets and len(run.said) > len(JOBS)
    assert not [secret for secret in account.secrets if secret in seen]


def test_whether_containers_reach_this_machine_is_tried_with_one(image):
    """On the bridge's address it listens for them; the loopback address is the container's own, so nobody is there."""
    assert images.reached_from_a_container(image, embedded_containers.probe().bridge)
    assert not images.reached_from_a_container(image, "127.0.0.1")
