"""Look whether anybody listens at the address of a broker: a process that is gone is known at once, because its machine says so."""

import asyncio
from enum import Enum, auto

REFUSALS = 3  # of a leader's address, one a look, after which it counts as gone
PROBE_S = 0.3  # how long a look waits for an address


class Found(Enum):
    """The finding at an address."""

    LISTENS = auto()
    REFUSES = auto()  #: nobody listens, on a machine that is there to say so
    SILENT = auto()  #: nothing is known


async def probe(address: str) -> Found:
    """Try to connect to HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except ConnectionRefusedError:
        return Found.REFUSES
    except (OSError, TimeoutError, ValueError):
        return Found.SILENT
    writer.close()
    return Found.LISTENS
