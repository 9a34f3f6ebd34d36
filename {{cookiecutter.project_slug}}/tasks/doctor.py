"""Is everything here that the other tasks need? Each line that fails names the command that mends it."""

from __future__ import annotations

from .core import checks, console
from .core import policy as policies
from .core import settings as project
from .core.checks import Check, Verdict
from .core.console import BadInput, TaskError, WentWrong, say, show
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, emit, task

STYLES = {Verdict.FAILED: "bold red", Verdict.WARNING: "yellow", Verdict.SKIPPED: "dim"}


@task(help={**WORKSPACE, **JSON, **ENDPOINT,
            "policy": f"print what a role needs in IAM, a policy document a line: {', '.join(policies.ROLES)}"})
def doctor(context, workspace=None, json=False, endpoint_from_env=False, policy=""):
    """Look at everything that a deployment needs; changes nothing. Exits with 5 when something is wrong."""
    settings = project.load(workspace)
    if policy:
        return _print_policy(settings, policy, json, endpoint_from_env)
    found = [*checks.tools(settings.root), *_account(settings, endpoint_from_env)]
    failed = [check for check in found if check.verdict is Verdict.FAILED]
    if json:
        emit(settings, {"healthy": not failed, "checks": [_as_json(check) for check in found]})
        if failed:
            from invoke import Exit

            raise Exit(code=WentWrong.code)
        return
    console.table("", ("", "looked at", "found", "mend"),
                  [(check.verdict.value, check.name, check.found, check.mend) for check in found],
                  styles=[STYLES.get(check.verdict) for check in found], last="found")
    if failed:
        raise WentWrong(f"{len(failed)} of {len(found)} checks failed: {', '.join(check.name for check in failed)}.")
    show("All is well." if all(check.verdict is not Verdict.WARNING for check in found) else "Nothing is missing.")


def _account(settings: project.Settings, endpoint_from_env: bool) -> list[Check]:
    try:
        session = connect(settings, endpoint_from_env)
        return [*checks.account(session), *_permissions(session)]
    except TaskError as error:
        return [Check("account", Verdict.FAILED, error.message, error.run or "")]


def _permissions(session: Session) -> list[Check]:
    """Whether these credentials could deploy, where IAM says so; it knows nothing of what an organisation forbids."""
    missing = policies.missing(session, "deploy")
    if missing is None:
        return [Check("permissions", Verdict.SKIPPED, "IAM does not say (iam:SimulatePrincipalPolicy)")]
    if not missing:
        return [Check("permissions", Verdict.OK, "all that a deployment needs")]
    return [Check("permissions", Verdict.WARNING, f"these credentials cannot deploy: {', '.join(missing)}",
                  session.settings.command("doctor", "--policy deploy"))]


def _print_policy(settings: project.Settings, role: str, json: bool, endpoint_from_env: bool) -> None:
    if role not in policies.ROLES:
        raise BadInput(f"There is no role {role}. " + "; ".join(f"{name}: {may}" for name, may in policies.ROLES.items()))
    settings.require_account()
    session = connect(settings, endpoint_from_env)
    key = policies.key_arn(session)
    made = policies.build(session, role, key)
    if json:
        return emit(settings, {"role": role, "key": key, "documents": made.documents, "proven": sorted(made.proven),
                               "implied": [{"actions": each.actions, "because": each.because, "source": each.source}
                                           for each in made.implied]})
    for document in made.documents:
        show(policies.compact(document))
    many = len(made.documents)
    say(f"{settings.id}, {role}: {policies.ROLES[role]}. {many} polic{'y' if many == 1 else 'ies'}, one a line.")
    say(f"Proven: {len(made.proven)} actions, of every call that the tasks and Terraform made in the embedded AWS"
        + ("; with IAM enforced there, they sufficed." if role in policies.TRIED else "; not tried with IAM enforced."))
    if made.implied:
        say("From AWS's documentation, not proven:")
        for each in made.implied:
            say(f"  {', '.join(each.actions)}: {each.because} ({each.source})")
    say(f"Denied, whatever else allows it: {', '.join(policies.NEVER)}.")
    if key is None:
        say(f"{settings.key_alias} cannot be seen from here, so any key of the account is allowed. Print it again when it "
            "is there, with credentials that may look at it.")


def _as_json(check: Check) -> dict:
    return {"name": check.name, "verdict": check.verdict.name.lower(), "found": check.found, "mend": check.mend or None}
