"""Defects that the broker survives: it logs them with a trace, and begins anew. No run may have one."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any


class Defects(logging.Handler):
    """Keeps what the broker logs with a trace, and calls *when_found* each time."""

    def __init__(self, when_found: Callable[[], Any] = lambda: None) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._when_found = when_found

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))
            self._when_found()


async def played(schedule: Coroutine[Any, Any, None]) -> None:
    """Play a *schedule* to its end, or to the first defect: a partition that begins anew again and again would have no end."""
    playing = asyncio.ensure_future(schedule)
    log, defects = logging.getLogger("osmia_broker"), Defects(playing.cancel)
    log.addHandler(defects)
    try:
        await asyncio.wait([playing])
    finally:
        log.removeHandler(defects)
    assert defects.found == []
    playing.result()
