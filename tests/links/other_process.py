"""Process 2 of a test, as a program: it listens at the socket that is its argument, and writes each call that it takes to the file beside it."""

import asyncio
import sys
from pathlib import Path

from osmia_broker.links import Links, UnixPlace
from osmia_broker.rpc import Call, Rpc, Shape
from tests.links.wire import identity


async def main(path: Path) -> None:
    taken = path.with_suffix(".taken").open("a")

    async def echo(message: bytes, call: Call) -> bytes:
        taken.write(message.decode() + "\n")
        taken.flush()
        return message

    async def hold(message: bytes, call: Call) -> bytes:
        await echo(message, call)
        await asyncio.Event().wait()
        return message

    links = Links(identity(2), [Rpc("/t.T/Echo", Shape.UNARY, echo), Rpc("/t.T/Hold", Shape.UNARY, hold)])
    await links.listen(UnixPlace(path))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
