"""Databases, the parameter store and its key."""

from __future__ import annotations

from . import Clients, new, probe, refusal


def _database(aws: Clients, **more) -> tuple:
    rds, name = aws("rds"), new("db")
    rds.create_db_instance(DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t4g.micro",
                           MasterUsername="master", MasterUserPassword="long-enough", AllocatedStorage=20, **more)
    return rds, name


@probe("rds.log-exports")
def database_keeps_its_log_exports(aws):
    rds, name = _database(aws, EnableCloudwatchLogsExports=["postgresql", "upgrade"])
    before = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0].get("EnabledCloudwatchLogsExports")
    rds.modify_db_instance(DBInstanceIdentifier=name, CloudwatchLogsExportConfiguration={"DisableLogTypes": ["upgrade"]})
    after = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0].get("EnabledCloudwatchLogsExports")
    return (before, after) == (["postgresql", "upgrade"], ["postgresql"])


@probe("rds.backup-window")
def database_keeps_its_backup_window(aws):
    rds, name = _database(aws, PreferredBackupWindow="17:00-18:00")
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["PreferredBackupWindow"] == "17:00-18:00"


@probe("rds.resource-id-filter")
def database_is_found_by_its_resource_id(aws):
    rds, name = _database(aws)
    _database(aws)
    wanted = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DbiResourceId"]

    def found(value: str) -> list[str]:
        answer = rds.describe_db_instances(Filters=[{"Name": "dbi-resource-id", "Values": [value]}])
        return [each["DBInstanceIdentifier"] for each in answer["DBInstances"]]

    return (found(wanted), found("db-of-nobody")) == ([name], [])


@probe("rds.password")
def bad_password_is_refused(aws):
    rds, name = _database(aws)
    bad = ["short", "with/slash1", 'with"quote', "with@sign12", "with space1", "with-ünicode", "x" * 129]
    refused = [refusal(rds.modify_db_instance, DBInstanceIdentifier=name, MasterUserPassword=each) for each in bad]
    return refused == ["InvalidParameterValue"] * len(bad) and not refusal(
        rds.modify_db_instance, DBInstanceIdentifier=name, MasterUserPassword="!#$%&'()*+,-.:;<=>?[]^_`{|}~")


@probe("rds.final-snapshot")
def final_snapshot_is_named_and_new(aws):
    rds, name = _database(aws)
    rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-taken")
    return (refusal(rds.delete_db_instance, DBInstanceIdentifier=name),
            refusal(rds.delete_db_instance, DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-taken"),
            refusal(rds.delete_db_instance, DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-new")) == (
        "InvalidParameterCombination", "DBSnapshotAlreadyExists", "")


@probe("ssm.published-images")
def ecs_image_is_published(aws):
    names = [f"/aws/service/ecs/optimized-ami/amazon-linux-2023{cpu}/recommended/image_id" for cpu in ("", "/arm64")]
    found = aws("ssm").get_parameters(Names=names)
    return not found["InvalidParameters"] and all(
        aws("ec2").describe_images(ImageIds=[each["Value"]])["Images"] for each in found["Parameters"])


def _key(aws: Clients) -> tuple[str, str]:
    kms, alias = aws("kms"), "alias/" + new("key")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return key, alias


@probe("ssm.write-needs-key")
def secret_is_written_only_under_a_living_key(aws):
    ssm, kms = aws("ssm"), aws("kms")

    def write(alias: str) -> str:
        return refusal(ssm.put_parameter, Name="/" + new("secret"), Value="v", Type="SecureString", KeyId=alias)

    key, alias = _key(aws)
    answers = [write("alias/never-made"), write(alias)]
    kms.disable_key(KeyId=key)
    answers.append(write(alias))
    kms.enable_key(KeyId=key)
    answers.append(write(alias))
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    answers.append(write(alias))
    plain = [refusal(ssm.put_parameter, Name="/" + new("plain"), Value="v", Type="String"),
             refusal(ssm.put_parameter, Name="/" + new("default"), Value="v", Type="SecureString")]
    return answers == ["InvalidKeyId", "", "InvalidKeyId", "", "InvalidKeyId"] and plain == ["", ""]


@probe("ssm.read-needs-key")
def secret_is_read_only_under_a_living_key(aws):
    ssm, kms = aws("ssm"), aws("kms")
    key, alias = _key(aws)
    path = "/" + new("service")
    ssm.put_parameter(Name=f"{path}/password", Value="v", Type="SecureString", KeyId=alias)

    def reads() -> list[str]:
        return [refusal(ssm.get_parameter, Name=f"{path}/password", WithDecryption=True),
                refusal(ssm.get_parameters, Names=[f"{path}/password"], WithDecryption=True),
                refusal(ssm.get_parameters_by_path, Path=path, WithDecryption=True)]

    fine = reads()
    kms.disable_key(KeyId=key)
    disabled = reads()
    listed = refusal(ssm.get_parameters_by_path, Path=path)
    kms.enable_key(KeyId=key)
    kms.delete_alias(AliasName=alias)  # as Terraform does before it deletes the key
    without_alias = reads()
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    return (fine, disabled, listed, without_alias, reads()) == (
        [""] * 3, ["InvalidKeyId"] * 3, "", [""] * 3, ["InvalidKeyId"] * 3)
