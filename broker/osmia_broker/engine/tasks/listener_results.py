"""The decision of a task listener, given when it completes its job."""

from typing import Any

import msgspec


class TaskListenerResult(msgspec.Struct, frozen=True, gc=False):
    """The decision of a task listener: it denies the change, or corrects attributes (named as in the REST API)."""

    denied: bool = False
    denied_reason: str = ""
    corrections: dict[str, Any] = {}
