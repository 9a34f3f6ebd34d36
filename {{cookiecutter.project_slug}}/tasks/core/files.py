"""Files of the project that are changed while others may read them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OWNERS_ONLY = 0o600


def replace(file: Path, content: bytes, mode: int | None = None) -> None:
    """By a file beside it, which becomes it: Terraform or another task may read it at any moment.

    mode  its permissions; else those that it has, and for a new one everybody's to read: it is committed
    """
    mode = mode or (file.stat().st_mode & 0o777 if file.exists() else 0o644)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
