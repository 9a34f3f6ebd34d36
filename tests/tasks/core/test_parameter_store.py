"""Secrets in the store: chamber's layout, and no secret under a key that cannot be used."""

from __future__ import annotations

import string
from dataclasses import replace

import boto3
import pytest
from botocore.stub import Stubber

from tasks.core import keys, parameter_store
from tasks.core.console import BadInput, Failed, Refused
from tasks.core.session import Session
from throttling_aws import ThrottlingAws


@pytest.fixture
def store(aws) -> Session:
    keys.create(aws)
    return aws


class Stubbed(Session):
    """A session whose one client gives canned answers: what the embedded AWS never does."""

    def client(self, service, region=None):
        return self.canned


def test_a_secret_lies_where_chamber_looks_for_it(store, client):
    service = store.settings.chamber_service
    assert parameter_store.write(store, service, "DB_Password", "s3cret") == 1
    name = f"/{service}/db_password"
    found = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (found["Type"], found["Value"]) == ("SecureString", "s3cret")
    [described] = client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}])["Parameters"]
    assert described["Description"] == "1"
    assert described["KeyId"] == store.settings.key_alias
    assert parameter_store.read(store, service, "db_password") == "s3cret"


def test_every_write_is_a_new_version(store):
    service = store.settings.chamber_service
    assert parameter_store.version(store, service, "x") is None
    assert [parameter_store.write(store, service, "x", str(value)) for value in range(3)] == [1, 2, 3]
    assert parameter_store.version(store, service, "x") == 3
    assert parameter_store.read(store, service, "x") == "2"


def test_a_secret_that_is_not_there_is_none(store):
    assert parameter_store.read(store, store.settings.chamber_service, "none") is None


@pytest.mark.parametrize(("description", "version"), [("7", 7), ("", 0), ("by hand", 0), ("-1", 0), ("²", 0)])
def test_a_description_that_is_no_version_counts_as_none(store, client, description, version):
    client("ssm").put_parameter(Name=f"/{store.settings.chamber_service}/x", Type="SecureString", Value="v",
                                KeyId=store.settings.key_alias, Description=description)
    assert parameter_store.version(store, store.settings.chamber_service, "x") == version


def test_the_version_is_found_behind_empty_pages_and_among_other_names(store):
    session = Stubbed(store.settings, store.environment, store.endpoint)
    object.__setattr__(session, "canned", store.client("ssm"))
    wanted = {"Name": "/s/k", "Description": "4"}
    with Stubber(session.canned) as stub:
        for answer in ({"Parameters": [], "NextToken": "1"}, {"Parameters": [], "NextToken": "2"},
                       {"Parameters": [{"Name": "/s/k2", "Description": "9"}], "NextToken": "3"}, {"Parameters": [wanted]}):
            stub.add_response("describe_parameters", answer)
        assert parameter_store.version(session, "s", "k") == 4
        stub.assert_no_pending_responses()
        stub.add_response("describe_parameters", {"Parameters": [], "NextToken": "1"})
        stub.add_response("describe_parameters", {"Parameters": []})
        assert parameter_store.version(session, "s", "k") is None


def test_looking_up_a_version_asks_for_no_right_to_decrypt(store):
    session = Stubbed(store.settings, store.environment, store.endpoint)
    object.__setattr__(session, "canned", store.client("ssm"))
    with Stubber(session.canned) as stub:  # any other call than this one would be an error
        stub.add_response("describe_parameters", {"Parameters": []},
                          {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": ["/s/k"]}]})
        parameter_store.version(session, "s", "k")


def test_no_secret_is_written_under_an_alias_that_is_not_there(aws):
    with pytest.raises(Refused, match=f"There is no {aws.settings.key_alias} in account 000000000000") as refused:
        parameter_store.write(aws, aws.settings.chamber_service, "x", "v")
    assert refused.value.run == "invoke bootstrap"
    assert parameter_store.version(aws, aws.settings.chamber_service, "x") is None


def test_a_generated_password_is_of_the_databases_alphabet():
    made = {parameter_store.generated_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert len(password) == 32 and password[0] in string.ascii_letters
        assert set(password) <= set(string.ascii_letters + string.digits + "_-")


def test_the_master_password_is_made_once_and_only_the_administration_has_it(store, capfd):
    assert parameter_store.ensure_password(store) is True
    password = parameter_store.require_password(store)
    assert parameter_store.ensure_password(store) is False
    assert parameter_store.require_password(store) == password
    assert parameter_store.read(store, store.settings.admin_service, "db_password") == password
    assert parameter_store.read(store, store.settings.chamber_service, "db_password") is None
    assert password not in "".join(capfd.readouterr())


def test_a_master_password_that_is_missing_names_the_command(store):
    with pytest.raises(Refused, match=f"The parameter store has no /{store.settings.admin_service}/db_password") as refused:
        parameter_store.require_password(store)
    assert refused.value.run == "invoke deploy"


def test_a_master_password_that_is_empty_is_no_password(store, monkeypatch):
    monkeypatch.setattr(parameter_store, "read", lambda *_: "")
    with pytest.raises(Failed, match="is empty"):
        parameter_store.require_password(store)


@pytest.fixture
def stubbed(store) -> Session:
    session = Stubbed(store.settings, store.environment, store.endpoint)
    object.__setattr__(session, "canned", store.client("ssm"))
    return session


def test_values_are_read_to_the_last_page_by_the_path_that_chamber_asks_for(stubbed):
    asked = {"Path": "/svc/", "WithDecryption": True}
    found = [{"Name": f"/svc/k{number}", "Value": str(number)} for number in range(2)]
    with Stubber(stubbed.canned) as stub:
        stub.add_response("get_parameters_by_path", {"Parameters": [], "NextToken": "1"}, asked)
        stub.add_response("get_parameters_by_path", {"Parameters": found[:1], "NextToken": "2"}, {**asked, "NextToken": "1"})
        stub.add_response("get_parameters_by_path", {"Parameters": [], "NextToken": "3"}, {**asked, "NextToken": "2"})
        stub.add_response("get_parameters_by_path", {"Parameters": found[1:]}, {**asked, "NextToken": "3"})
        assert parameter_store.values(stubbed, "SVC") == {"k0": "0", "k1": "1"}
        stub.assert_no_pending_responses()


def test_what_lies_deeper_is_another_service(store):
    service = store.settings.id
    parameter_store.write(store, service, "k", "v")
    parameter_store.write(store, f"{service}/deeper", "l", "w")
    assert parameter_store.values(store, service) == {"k": "v"}
    assert [each.key for each in parameter_store.secrets(store, service)] == ["k"]


def test_values_are_listed_only_where_they_are_asked_for_and_never_stand_in_a_repr(store):
    parameter_store.write(store, store.settings.id, "k", "canary")
    [masked] = parameter_store.secrets(store, store.settings.id)
    [expanded] = parameter_store.secrets(store, store.settings.id, expand=True)
    assert (masked.value, expanded.value, masked.version) == (None, "canary", 1)
    assert "canary" not in repr(expanded)


def test_a_secret_or_a_version_that_is_not_there_is_named(store):
    parameter_store.write(store, store.settings.id, "k", "v")
    for attempt in (lambda: parameter_store.secret(store, store.settings.id, "none"),
                    lambda: parameter_store.history(store, store.settings.id, "none"),
                    lambda: parameter_store.require(store, store.settings.id, "none"),
                    lambda: parameter_store.delete(store, store.settings.id, "none")):
        with pytest.raises(BadInput, match=f"The service {store.settings.id} has no secret none") as missing:
            attempt()
        assert missing.value.run == f"invoke chamber.list {store.settings.id}"
    with pytest.raises(BadInput, match="has no secret k of version 2"):
        parameter_store.secret(store, store.settings.id, "k", 2)


@pytest.mark.parametrize("attempt", [
    lambda store, service: parameter_store.read(store, service, "k"),
    lambda store, service: parameter_store.values(store, service),
    lambda store, service: parameter_store.write(store, service, "k", "w"),
], ids=["read", "values", "write"])
def test_a_disabled_key_is_the_reason_that_is_given(store, attempt):
    parameter_store.write(store, store.settings.id, "k", "v")
    store.client("kms").disable_key(KeyId=keys.find(store).id)
    with pytest.raises(Refused, match=f"{store.settings.key_alias} is disabled") as refused:
        attempt(store, store.settings.id)
    assert refused.value.run == "invoke kms.rescue"


@pytest.mark.parametrize(("key", "value"), [("a/b", "v"), ("k", ""), ("k", "v" * 4097), ("k", "{{x}}")])
def test_what_aws_would_refuse_is_refused_before_anything_is_written(store, key, value):
    with pytest.raises(BadInput):
        parameter_store.write(store, store.settings.id, key, value)
    with pytest.raises(BadInput):
        parameter_store.write_all(store, store.settings.id, {"a": "fine", key: value})
    assert parameter_store.values(store, store.settings.id) == {}


def test_writing_many_goes_on_where_it_was_cut_off(store, monkeypatch):
    """The cut is made here: the embedded AWS has no way to fail at one parameter."""
    wanted = {name: f"canary-{name}" for name in "dbca"}
    put = parameter_store._put

    def fails_at_c(session, name, value, present):
        if name.endswith("/c"):
            raise ConnectionError("cable")
        return put(session, name, value, present)

    monkeypatch.setattr(parameter_store, "_put", fails_at_c)
    with pytest.raises(Failed, match="2 of 4 secrets were written to .*, up to but not c. .* only the rest") as failed:
        parameter_store.write_all(store, store.settings.id, wanted)
    assert "canary" not in str(failed.value)
    monkeypatch.undo()
    assert parameter_store.write_all(store, store.settings.id, wanted) == ["c", "d"]
    assert {each.version for each in parameter_store.secrets(store, store.settings.id)} == {1}
    assert parameter_store.values(store, store.settings.id) == wanted


def test_a_store_that_wants_tags_gets_no_new_secret_without_them(aws):
    """In an account of its own: what a store wants, it wants of everybody."""
    session = in_account(aws, "333333333333")
    keys.create(session)
    parameter_store.write(session, "svc", "old", "v")
    config = '{"version":"1","requiredTags":["owner","use"]}'
    session.client("ssm").put_parameter(Name=parameter_store.STORE_CONFIG, Type="SecureString", Value=config,
                                        KeyId=session.settings.key_alias)
    for attempt in (lambda: parameter_store.write(session, "svc", "new", "v"),
                    lambda: parameter_store.write_all(session, "svc", {"new": "v"})):
        with pytest.raises(Refused, match="wants the tags owner, use on every new secret") as refused:
            attempt()
        assert refused.value.run == "chamber write --tags owner=…,use=… SERVICE KEY -"
    assert parameter_store.write(session, "svc", "old", "w") == 2
    assert parameter_store.values(session, "svc") == {"old": "w"}


def in_account(session: Session, account: str) -> Session:
    """The session, as another account of the embedded AWS: its access key is the account."""
    made = boto3.Session(account, "any", region_name=session.settings.region)
    clients = {service: made.client(service, endpoint_url=session.endpoint) for service in ("ssm", "kms")}

    class Other(Session):
        def client(self, service, region=None):
            return clients[service]

    return Other(replace(session.settings, account=account), session.environment, session.endpoint)


def test_an_error_of_aws_that_repeats_the_value_is_not_shown(stubbed):
    with Stubber(stubbed.canned) as stub:
        stub.add_response("describe_parameters", {"Parameters": [{"Name": "/svc/k", "Description": "1"}]})
        stub.add_client_error("put_parameter", "ValidationException", "1 validation error: Value 'canary' at 'value'")
        with pytest.raises(Failed, match="AWS refused /svc/k") as failed:
            parameter_store.write(stubbed, "svc", "k", "canary")
    assert "canary" not in str(failed.value)


def test_throttled_calls_are_tried_again(store):
    with ThrottlingAws(store.endpoint, refusals=3) as throttling:
        session = Session(store.settings, store.environment, throttling.address)
        assert parameter_store.write(session, store.settings.id, "k", "v") == 1
    assert throttling.refused == 3
    assert parameter_store.read(store, store.settings.id, "k") == "v"
