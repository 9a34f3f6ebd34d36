"""The shared key and a project's state: adopted alone, let go, refused when it is not the one, never changed."""

from __future__ import annotations

from driven_project import Project

ALIAS = "alias/parameter_store_key"


def as_it_is(project: Project, id: str) -> dict:
    """What others lean on: what a key says of itself, who may use it, its tags and its rotation."""
    kms = project.client("kms")
    return {
        "metadata": kms.describe_key(KeyId=id)["KeyMetadata"],
        "policy": kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"],
        "tags": kms.list_resource_tags(KeyId=id)["Tags"],
        "rotation": kms.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"],
    }


def key_id(project: Project) -> str:
    return project.client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"]


def test_somebody_elses_key_is_adopted_before_the_first_deployment_and_not_changed(new_project):
    project = new_project()
    project.must("local.up")
    kms = project.client("kms")
    tags = [{"TagKey": "Team", "TagValue": "maps"}]
    theirs = kms.create_key(Description="The maps' secrets", Tags=tags)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=ALIAS, TargetKeyId=theirs)
    project.must("bootstrap")
    before = as_it_is(project, theirs)
    assert f"leads to the key {theirs} (enabled)" in project.must("kms.create").out
    assert not project.must("kms.status", "--json").json["managed"]
    refused = project.invoke("kms.import")
    assert refused.code == 3 and "add --yes" in refused.err
    project.must("kms.import", "--yes")
    assert "is managed by this project already" in project.must("kms.import").out
    status = project.must("kms.status", "--json").json
    assert (status["key_id"], status["managed"], status["rotation"], status["held_by"]) == (theirs, True, "off", [])
    assert not [address for address in project.plan() if "kms" in address]
    assert as_it_is(project, theirs) == before


def test_an_alias_that_was_moved_stops_every_plan_until_the_old_key_is_let_go(stack):
    kms, old = stack.client("kms"), key_id(stack)
    new = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=ALIAS, TargetKeyId=new)
    for words in (("plan",), ("deploy", "--yes"), ("kms.import", "--yes")):
        refused = stack.invoke(*words)
        assert refused.code == 3, words
        assert f"leads to the key {new}, but this project's state holds the key {old}" in refused.err
        assert "invoke kms.forget" in refused.err
    stack.must("kms.forget", "--yes")
    assert "holds neither the key nor its alias" in stack.must("kms.forget").out
    stack.must("kms.import", "--yes")
    assert stack.must("kms.status", "--json").json["key_id"] == new == key_id(stack)
    assert not [address for address in stack.plan() if "kms" in address]
    assert kms.describe_key(KeyId=old)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_key_that_cannot_be_used_stops_plan_and_deploy_until_it_is_rescued(stack):
    for harm, said in (("disable_key", "is disabled"), ("schedule_key_deletion", "is to be deleted on")):
        getattr(stack.client("kms"), harm)(KeyId=key_id(stack))
        for words in (("plan",), ("deploy", "--yes")):
            refused = stack.invoke(*words)
            assert refused.code == 3 and said in refused.err and "invoke kms.rescue" in refused.err, words
        stack.must("kms.rescue", "--yes")
    stack.require_clean()


def test_where_key_and_alias_were_deleted_by_hand_no_second_key_is_made_and_the_first_can_be_had_back(stack):
    kms, old = stack.client("kms"), key_id(stack)
    kms.delete_alias(AliasName=ALIAS)
    kms.schedule_key_deletion(KeyId=old)
    before = len(kms.list_keys()["Keys"])
    refused = stack.invoke("deploy", "--yes")
    assert refused.code == 3 and f"this project's state holds its key {old}" in refused.err
    assert f"create-alias --alias-name {ALIAS} --target-key-id {old}" in refused.err
    assert stack.invoke("plan").code == 3 and len(kms.list_keys()["Keys"]) == before
    kms.create_alias(AliasName=ALIAS, TargetKeyId=old)  # as it says
    refused = stack.invoke("deploy", "--yes")
    assert refused.code == 3 and "invoke kms.rescue" in refused.err
    stack.must("kms.rescue", "--yes")
    stack.require_clean()
