"""The quickest event loop of this system."""

from asyncio import AbstractEventLoop
from collections.abc import Callable


def loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """Return what makes uvloop's event loop where that exists; `None` stands for asyncio's own."""
    try:
        import uvloop
    except ModuleNotFoundError:  # not made for this system
        return None
    return uvloop.new_event_loop
