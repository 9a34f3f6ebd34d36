"""How a job fails: with one sentence, what to run, and an exit code."""

from __future__ import annotations

FAILED = 1  # the job could not do all of what it was told
UNAVAILABLE = 69  # the database, or AWS, did not answer or did not let us in (EX_UNAVAILABLE)
MISCONFIGURED = 78  # what the task definition or the tfvars say cannot be right (EX_CONFIG)


class JobFailed(Exception):
    """A sentence for whoever reads the log.

    run   the project's command that helps, when there is one
    code  the process's exit code
    """

    code = FAILED

    def __init__(self, sentence: str, run: str | None = None):
        super().__init__(sentence)
        self.sentence = sentence
        self.run = run

    def __str__(self) -> str:
        return f"{self.sentence} run: {self.run}" if self.run else self.sentence


class Unavailable(JobFailed):
    """The database or AWS did not answer, or refused the login."""

    code = UNAVAILABLE


class Misconfigured(JobFailed):
    """A value that the task definition or the tfvars gave is wrong."""

    code = MISCONFIGURED
