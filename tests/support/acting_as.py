"""A proxy before the embedded AWS that signs every request anew, as an IAM user: the workspace `local` has no credentials.

Terraform and the tasks then do what they always do there, with no more rights than that user has (AUTH=true).
"""

from __future__ import annotations

from dataclasses import dataclass

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from recorded_calls import RecordingAws, scope_of

SIGNED_ANEW = {"authorization", "x-amz-date", "x-amz-security-token"}


@dataclass(frozen=True)
class User:
    """An IAM user's access key."""

    name: str
    access_key: str
    secret: str


class ActingAs(RecordingAws):
    """Passes requests on as ``user``; as whoever signed them while it is None."""

    user: User | None = None

    def passed_on(self, method: str, address: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        region, service = scope_of(headers)
        if self.user is None or not service:
            return headers
        kept = {name: value for name, value in headers.items() if name.lower() not in SIGNED_ANEW}
        request = AWSRequest(method, f"http://{headers['Host']}{address}", kept, body)
        credentials = Credentials(self.user.access_key, self.user.secret)
        (_OfS3 if service == "s3" else SigV4Auth)(credentials, service, region).add_auth(request)
        return dict(request.headers)


class _OfS3(S3SigV4Auth):
    """The body's hash stays what its sender made it: it may be that of a stream."""

    def add_auth(self, request: AWSRequest) -> None:
        self._hash = request.headers.get("X-Amz-Content-SHA256")
        super().add_auth(request)

    def payload(self, request: AWSRequest) -> str:
        return self._hash or super().payload(request)
