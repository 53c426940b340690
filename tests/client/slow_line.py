"""A TCP proxy that delays each piece of data by half a round trip: a line across an ocean, on loopback."""

import asyncio
from typing import Self


class SlowLine:
    """Forwards connections to *target*. With *silent* it accepts them and forwards nothing."""

    def __init__(self, target: str, *, round_trip_s: float = 0.3, silent: bool = False) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._delay_s = round_trip_s / 2
        self._silent = silent
        self._writers: list[asyncio.StreamWriter] = []
        self._copying: set[asyncio.Task[None]] = set()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._copying:
            task.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._copying, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self._silent:
            return
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        self._writers.append(there_writer)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._copy(source, sink))
            self._copying.add(task)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await source.read(65_536):
            loop.call_later(self._delay_s, _write, sink, data)  # pieces keep their order
        loop.call_later(self._delay_s, sink.close)


def _write(sink: asyncio.StreamWriter, data: bytes) -> None:
    if not sink.is_closing():
        sink.write(data)
