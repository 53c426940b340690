"""Registers screens: functions that answer a `Visit`.

    @screen("/tasks/{key:int}")
    async def show_task(visit: Visit, key: int) -> Response: ...

    @action("/tasks/{key:int}/claim")
    async def claim(visit: Visit, key: int) -> Response: ...

A screen answers GET with a page. An action answers POST: it does something and sends the browser on (`Visit.go`). An action that is
refused sends the browser back to where it came from with an alert, unless it answers itself. With *is_open* nobody need have signed in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Registered:
    """A function with its address."""

    method: str
    path: str
    handler: Handler
    is_open: bool


SCREENS: list[Registered] = []  #: all of them; filled when the files of `screens` are imported


def screen(path: str, *, is_open: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function as the screen at *path*."""
    return _registered("GET", path, is_open)


def action(path: str, *, is_open: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function as the action at *path*."""
    return _registered("POST", path, is_open)


def _registered(method: str, path: str, is_open: bool) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        SCREENS.append(Registered(method, path, handler, is_open))
        return handler

    return register
