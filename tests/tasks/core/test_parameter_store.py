"""Secrets in the store: chamber's layout, and no secret under a key that cannot be used."""

from __future__ import annotations

import string

import pytest
from botocore.stub import Stubber

from tasks.core import keys, parameter_store
from tasks.core.console import Failed, Refused
from tasks.core.session import Session


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
    with pytest.raises(Refused, match="The secret was not written") as refused:
        parameter_store.write(aws, aws.settings.chamber_service, "x", "v")
    assert aws.settings.key_alias in refused.value.message and refused.value.run == "invoke bootstrap"
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
