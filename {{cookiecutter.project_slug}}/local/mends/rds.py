"""RDS: what the provider reads back, and what AWS refuses."""

from __future__ import annotations

from mends import around, around_function, mend


@mend("rds.log-exports", "the exported logs of a database are dropped: a diff (and 80 s) at every plan")
def log_exports() -> None:
    from ministack.services import rds

    def kept(original, request):
        answer = original(request)
        instance = rds._resolve_instance(rds._p(request, "DBInstanceIdentifier"))
        if answer[0] == 200 and instance:
            on = {*rds._parse_member_list(request, "EnableCloudwatchLogsExports"),
                  *rds._parse_member_list(request, "CloudwatchLogsExportConfiguration.EnableLogTypes")}
            off = set(rds._parse_member_list(request, "CloudwatchLogsExportConfiguration.DisableLogTypes"))
            before = instance.get("EnabledCloudwatchLogsExports") or []
            instance["EnabledCloudwatchLogsExports"] = sorted({*before, *on} - off)
        return answer

    around(rds, "CreateDBInstance")(kept)
    around(rds, "ModifyDBInstance")(kept)

    @around_function(rds, "_instance_xml")
    def shown(original, instance):
        members = "".join(f"<member>{each}</member>" for each in instance.get("EnabledCloudwatchLogsExports") or ())
        return original(instance).replace(
            "<EnabledCloudwatchLogsExports/>", f"<EnabledCloudwatchLogsExports>{members}</EnabledCloudwatchLogsExports>")


@mend("rds.backup-window", "the backup window that a database is made with is ignored: a diff at every plan")
def backup_window() -> None:
    from ministack.services import rds

    @around(rds, "CreateDBInstance")
    def kept(original, request):
        answer = original(request)
        window = rds._p(request, "PreferredBackupWindow")
        if answer[0] == 200 and window:
            rds._instances[rds._p(request, "DBInstanceIdentifier")]["PreferredBackupWindow"] = window
        return answer


@mend("rds.resource-id-filter", "the filter by resource id is ignored: with a second project's database in the account, the "
      "provider waits in vain for the end of its own")
def resource_id_filter() -> None:
    from ministack.services import rds

    @around_function(rds, "_apply_instance_filters")
    def filtered(original, instances, filters):
        wanted = filters.get("dbi-resource-id")
        return [each for each in original(instances, filters) if not wanted or each["DbiResourceId"] in wanted]


@mend("rds.password", "a master password that AWS refuses is taken, so a bad one is found on the first real account")
def password() -> None:
    from ministack.services import rds

    def checked(original, request):
        wanted = rds._p(request, "MasterUserPassword")
        if wanted and not _allowed(wanted):
            return rds._error("InvalidParameterValue", "The parameter MasterUserPassword is not a valid password. Only "
                              "printable ASCII characters besides '/', '@', '\"', ' ' may be used, 8 to 128 of them.", 400)
        return original(request)

    around(rds, "CreateDBInstance")(checked)
    around(rds, "ModifyDBInstance")(checked)


@mend("rds.final-snapshot", "a database is deleted without its final snapshot, or over one of the same name")
def final_snapshot() -> None:
    from ministack.services import rds

    @around(rds, "DeleteDBInstance")
    def checked(original, request):
        if rds._p(request, "SkipFinalSnapshot") != "true":
            snapshot = rds._p(request, "FinalDBSnapshotIdentifier")
            if not snapshot:
                return rds._error("InvalidParameterCombination",
                                  "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.", 400)
            if snapshot in rds._snapshots:
                return rds._error("DBSnapshotAlreadyExists", "Cannot create the snapshot because a snapshot with the "
                                  f"identifier {snapshot} already exists.", 400)
        return original(request)


def _allowed(password: str) -> bool:
    return 8 <= len(password) <= 128 and all("!" <= character <= "~" and character not in '/@"' for character in password)
