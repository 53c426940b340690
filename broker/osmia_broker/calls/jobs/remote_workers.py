"""The workers that ask other processes of the broker for jobs, and the call by which those report them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

import msgspec

from osmia_broker.calls.jobs.workers import Presence, Workers
from osmia_broker.links import Links
from osmia_broker.rpc import Call, Refusal, Rpc, Shape

WORKERS = "/osmia.links/Workers"
ASK_S = 2.0  # a process that does not answer in this time is left out

_encode = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(list[tuple[str, str, Presence]]).decode

Present = dict[tuple[str, str], Presence]  #: by job type and name

log = logging.getLogger(__name__)


class WorkersElsewhere:
    """Asks *processes* for their workers, and reports those of this one to them. Those that are there now, if none are given."""

    def __init__(self, workers: Workers, links: Links, processes: Iterable[int] = ()) -> None:
        self._workers, self._links, self._processes = workers, links, tuple(processes)
        links.serve([Rpc(WORKERS, Shape.UNARY, self._report)])

    async def __call__(self) -> Present:
        """Return the workers of all processes. One that asks several of them is there once."""
        found: Present = {}
        for present in (
            self._workers.present,
            *await asyncio.gather(*map(self._ask, self._processes or self._links.processes)),
        ):
            for place, one in present.items():
                found[place] = _together(found[place], one) if place in found else one
        return found

    async def _ask(self, process: int) -> Present:
        try:
            reported = _read(await self._links.call(process, WORKERS, b"", None, ASK_S))
        except (Refusal, msgspec.MsgspecError) as error:
            log.warning("workers of a process are left out", extra={"peer": process, "error": str(error)})
            return {}
        return {(type, name): presence for type, name, presence in reported}

    async def _report(self, _message: bytes, _call: Call) -> bytes:
        present: Mapping[tuple[str, str], Presence] = self._workers.present
        return _encode([(type, name, presence) for (type, name), presence in present.items()])


def _together(one: Presence, other: Presence) -> Presence:
    latest = max(one, other, key=lambda presence: presence.last_seen_ms)
    return Presence(
        min(one.since_ms, other.since_ms),
        latest.last_seen_ms,
        one.polls + other.polls,
        one.streams + other.streams,
        latest.user_agent,
    )
