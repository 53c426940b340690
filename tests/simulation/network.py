"""The network of imagined machines: connections that carry bytes with delays, that stick while a path is cut, and that end with their machines."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.simulation.virtual import WORLD, Machine, VirtualLoop, machine_here, passing

DELAY_S = (0.0001, 0.002)  # of the way from one machine to another
SLOW_S = (0.05, 0.8)  # the same in a slow direction

Path = tuple[str, str]  #: from one machine to another, by their names


class Network:
    """All connections. *chance* decides how long things take."""

    def __init__(self, loop: VirtualLoop, chance: random.Random) -> None:
        self._loop, self._chance = loop, chance
        self._listeners: dict[str, _Listener] = {}  # by the name of their machine
        self._ends: dict[End, None] = {}
        self._cut: set[Path] = set()
        self._slow: set[Path] = set()
        self._unreachable: set[str] = set()
        loop.connect, loop.listen = self._connect, self._listen

    # --- weather

    def cut(self, path: Path) -> None:
        """Let nothing through on *path*; what is sent meanwhile arrives later."""
        self._cut.add(path)

    def slow(self, path: Path) -> None:
        """Let everything on *path* take long."""
        self._slow.add(path)

    def heal(self, path: Path) -> None:
        """Let everything on *path* through again, and soon."""
        self._cut.discard(path)
        self._slow.discard(path)
        for end in [*self._ends]:
            end.go_on()

    def mend(self) -> None:
        """Let all paths be good again."""
        self._cut.clear()
        self._slow.clear()
        for end in [*self._ends]:
            end.go_on()

    def lose(self, machine: Machine, *, is_silent: bool) -> None:
        """Take the connections of a dead *machine* away; the other ends hear of it, unless it *is_silent*, as without power."""
        self._listeners.pop(machine.name, None)
        if is_silent:
            self._unreachable.add(machine.name)
        for end in [*self._ends]:
            if end.machine is machine:
                end.vanish(is_silent=is_silent)

    def break_some(self, path: Path) -> None:
        """End the connections between the two."""
        for end in [*self._ends]:
            if (end.machine.name, end.to.machine.name) == path:
                end.abort()

    def found(self, name: str) -> None:
        """Let a machine that was without power be reached again."""
        self._unreachable.discard(name)

    # --- ways

    def is_cut(self, path: Path) -> bool:
        """Whether nothing passes there now."""
        return path in self._cut or path[1] in self._unreachable

    def delay_s(self, path: Path) -> float:
        """Return how long something takes on *path*."""
        return self._chance.uniform(*(SLOW_S if path in self._slow else DELAY_S))

    # --- connections

    def _listen(self, make: Callable[[], Any], host: str, port: int) -> "_Listener":
        machine = machine_here()
        assert machine is not None, "a machine listens"
        assert machine.name == host, "at its own name"
        listener = self._listeners[host] = _Listener(make, machine, port or 7_000, self._listeners)
        return listener

    async def _connect(self, make: Callable[[], Any], host: str, port: int) -> Any:
        machine = machine_here()
        assert machine is not None, "a machine dials"
        way, back = (machine.name, host), (host, machine.name)
        await passing(self.delay_s(way) + self.delay_s(back))
        while self.is_cut(way) or self.is_cut(back):
            await passing(1)
        listener = self._listeners.get(host)
        if listener is None:
            raise ConnectionRefusedError(f"Expected somebody to listen at {host}:{port}, but found nobody")
        near, far = End(self, self._loop, machine), End(self, self._loop, listener.machine)
        near.to, far.to = far, near
        self._ends[near] = self._ends[far] = None
        self._loop.call_soon(far.accept, listener.make, context=listener.machine.context)
        near.protocol = make()
        near.protocol.connection_made(near)
        return near, near.protocol

    def forget(self, end: "End") -> None:
        """Forget an end that has closed."""
        self._ends.pop(end, None)


class _Listener:
    """Somebody who takes connections; has as much of the face of a server as links use."""

    def __init__(self, make: Callable[[], Any], machine: Machine, port: int, listeners: "dict[str, _Listener]") -> None:
        self.make, self.machine, self._port, self._listeners = make, machine, port, listeners
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return self.machine.name, self._port

    def close(self) -> None:
        if self._listeners.get(self.machine.name) is self:
            del self._listeners[self.machine.name]


class End(asyncio.Transport):
    """One end of a connection. What it is given to write arrives at the other end, in order, as long as the path is not cut."""

    to: "End"

    def __init__(self, network: Network, loop: VirtualLoop, machine: Machine) -> None:
        super().__init__()
        self.machine, self.protocol = machine, None  # type: Machine, Any
        self._network, self._loop = network, loop
        self._on_way: deque[bytes | None] = deque()  # None is the end of it
        self._arrived: deque[bytes | None] = deque()  # before there was somebody to take it
        self._arrives_s = 0.0
        self._is_stuck = self._is_closed = self._is_closing = self._is_paused = False
        self._high = 64 * 1024
        self._size = 0

    def accept(self, make: Callable[[], Any]) -> None:
        """Take the connection, on the machine that listens."""
        if self._is_closed:
            return
        self.protocol = make()
        self.protocol.connection_made(self)
        while self._arrived:
            self._take(self._arrived.popleft())

    # --- the face of a transport

    def is_closing(self) -> bool:
        return self._is_closing or self._is_closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = self._high if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self.is_closing() or not data:
            return
        self._size += len(data)
        self._send(bytes(data))
        if self._size > self._high and not self._is_paused:
            self._is_paused = True
            self.protocol.pause_writing()

    def close(self) -> None:
        if not self.is_closing():
            self._is_closing = True
            self._send(None)
            self._loop.call_soon(self._closed, None, context=self.machine.context)

    def abort(self) -> None:
        self._is_closing = True
        if not self._is_closed:
            self._send(None)
            self._loop.call_soon(self._closed, ConnectionResetError("reset"), context=self.machine.context)

    # --- the way

    @property
    def _path(self) -> Path:
        return self.machine.name, self.to.machine.name

    def _send(self, data: bytes | None) -> None:
        self._on_way.append(data)
        self._arrives_s = max(self._arrives_s, self._loop.time() + self._network.delay_s(self._path))
        self._loop.call_at(self._arrives_s, self._deliver, context=WORLD)

    def _deliver(self) -> None:
        """Let the oldest piece arrive, in the world between the machines."""
        if self._network.is_cut(self._path):
            self._is_stuck = True
        if self._is_stuck or not self._on_way:
            return
        data = self._on_way.popleft()
        self._size -= len(data or b"")
        if self._is_paused and self._size <= self._high // 4:
            self._is_paused = False
            self._loop.call_soon(self._resumed, context=self.machine.context)
        self._loop.call_soon(self.to._take, data, context=self.to.machine.context)

    def go_on(self) -> None:
        """Let what has stuck arrive, if the path is good again."""
        if self._is_stuck and not self._network.is_cut(self._path):
            self._is_stuck = False
            for _ in range(len(self._on_way)):
                self._deliver()

    def _resumed(self) -> None:
        if not self._is_closed:
            self.protocol.resume_writing()

    def _take(self, data: bytes | None) -> None:
        if self._is_closed:
            return
        if self.protocol is None:
            self._arrived.append(data)
        elif data is None:
            self._is_closing = True
            self._closed(None)
        else:
            self.protocol.data_received(data)

    def _closed(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._network.forget(self)
            if self.protocol is not None:
                self.protocol.connection_lost(error)

    def vanish(self, *, is_silent: bool) -> None:
        """End with the machine: it says nothing more to its own side."""
        self._is_closed = True
        self._network.forget(self)
        if not is_silent:
            self._send(None)
