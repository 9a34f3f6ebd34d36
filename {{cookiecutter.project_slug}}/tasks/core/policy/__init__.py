"""The least that each role must be allowed in IAM: recorded calls, what AWS asks for beside them, and what is denied.

``recorded.json`` holds what the tasks and Terraform's provider really called in the embedded AWS (the template has a task
that writes it, record-policy); ``implied`` what no call shows, each with its source; ``places`` which resources each
action is narrowed to; ``documents`` makes the policies of all that; ``simulation`` asks IAM whether they are there.
"""

from .documents import MOST, Policy, build, compact
from .implied import NEVER, Implied
from .recorded import ROLES, TRIED, actions, of_operation
from .simulation import key_arn, missing, require

__all__ = ["MOST", "NEVER", "ROLES", "TRIED", "Implied", "Policy", "actions", "build", "compact", "key_arn", "missing",
           "of_operation", "require"]
