"""A line between a client and a server on which messages get lost, for tests of lost answers."""

import asyncio
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

CANCEL_REQUEST = 80_877_102  # the code of PostgreSQL's protocol for cancelling a statement over a second connection


class Line:
    """Listens on loopback and passes everything on to the server at *port*.

    `loses_answers`: what the server sends is thrown away and the connection breaks. `loses_questions`: what the client sends is. Answers wait
    for `may_answer`. `is_cut`: connections break, and new ones are refused.
    """

    def __init__(self, port: int) -> None:
        self.loses_answers = self.loses_questions = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.cancels = 0  # cancel requests that were seen
        self.broken = 0  # connections that the client has given up
        self.turns = 0  # times that the client has sent something after it had an answer
        self._server_port = port
        self._listening: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def mend(self) -> None:
        """Take connections, at the same port as before."""
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections and refuse new ones."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        self.break_all()

    def break_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, back}
        for one in (self._ask(reader, back, writer), self._answer(there, writer, back)):
            task = asyncio.ensure_future(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, own: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if data[:8] == struct.pack("!ii", 16, CANCEL_REQUEST):
                    self.cancels += 1
                self.turns += 1
                if self.loses_questions:
                    break
                to.write(data)
        self.broken += 1
        to.close()
        own.close()
        self._writers -= {to, own}

    async def _answer(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, own: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.may_answer.wait()
                if self.loses_answers:
                    break
                to.write(data)
        to.transport.abort()
        own.close()
        self._writers -= {to, own}
