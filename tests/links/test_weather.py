"""Bad weather by seed: wires that stick and break, sides that vanish, callers that leave. The books must be right in the end."""

import asyncio
import random
from collections import Counter

import pytest

from osmia_broker.links.limits import Limits
from osmia_broker.rpc import Refusal
from tests.links.wire import Pair, Service, Side, identity, read_all, turns

STEPS = 60
LIMITS = Limits(window=500, held_bytes=20_000, unsent_bytes=4_000, calls=8)
REFUSALS = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}


class Weather:
    """Two processes that call each other, over one link after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.services = (Service(), Service())
        self.calls: list[tuple[bytes, asyncio.Future[object]]] = []
        self.lives = 0
        self.number = 0
        self.all: list[Pair] = []

    async def meet(self) -> None:
        """Open the next link between the two."""
        self.lives += 1
        self.pair = Pair(LIMITS, a=identity(1, incarnation=self.lives), b=identity(2, incarnation=self.lives))
        for side, service in zip((self.pair.a, self.pair.b), self.services, strict=True):
            side.link._rpcs = {rpc.path: rpc for rpc in service.rpcs()}
        self.all.append(self.pair)
        await self.pair.meet()

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.pair.a, self.pair.b

    def ask(self) -> None:
        link = self.random.choice(self.sides).link
        self.number += 1
        word = b"%d" % self.number
        kind = self.random.choice(("Echo", "Echo", "Hold", "Many"))
        if kind == "Many":
            asked = read_all(
                link.stream("/t.T/Many", b"%d %d" % (self.random.randrange(40), self.random.randrange(900)))
            )
        else:
            asked = link.call(f"/t.T/{kind}", word)
        self.calls.append((word if kind != "Many" else b"", asyncio.ensure_future(asked)))

    async def step(self) -> None:
        deeds = (
            *(self.ask,) * 12,
            lambda: setattr(self.random.choice(self.sides).wire, "is_stuck", True),
            *(self.random.choice(self.sides).wire.go_on,) * 2,
            lambda: self.random.choice(self.calls)[1].cancel() if self.calls else None,
            self.release,
            self.wait,
            lambda: self.random.choice(self.sides).wire.abort() if self.random.random() < 0.3 else None,
            lambda: self.random.choice(self.sides).link.leave() if self.random.random() < 0.3 else None,
        )
        self.random.choice(deeds)()
        await turns(self.random.randrange(4))
        if all(side.has_ended for side in self.sides):
            await self.meet()

    def release(self) -> None:
        for service in self.services:
            service.may_go_on.set()
            service.may_go_on = asyncio.Event()

    def wait(self) -> None:
        self.pair.clock.s += 3
        for side in self.sides:
            side.link.look()

    async def clear_up(self) -> None:
        for pair in self.all:
            pair.a.wire.go_on()
            pair.b.wire.go_on()
        for _ in range(10):
            self.release()
            await turns(100)


def outcome(call: "asyncio.Future[object]") -> object:
    if call.cancelled():
        return "CANCELLED"
    error = call.exception()
    if error is None:
        return call.result()
    assert isinstance(error, Refusal), error
    return error.status


@pytest.mark.parametrize("seed", range(60))
async def test_no_call_is_carried_out_twice_and_each_answer_is_that_of_its_call(seed):
    it = Weather(seed)
    await it.meet()
    for _ in range(STEPS):
        await it.step()
    await it.clear_up()
    carried_out = Counter(word for service in it.services for word in service.asked)
    assert set(carried_out.values()) <= {1}, f"seed {seed}"
    for word, call in it.calls:
        assert call.done(), f"seed {seed}: a call without an end, {word!r}"
        found = outcome(call)
        if isinstance(found, bytes):
            assert (found, carried_out[word]) == (word, 1), f"seed {seed}"
        elif isinstance(found, list):
            assert [int(one.partition(b":")[0]) for one in found] == list(range(len(found))), f"seed {seed}"
        else:
            assert found == "CANCELLED" or found in REFUSALS, f"seed {seed}: {found}"
    for pair in it.all:
        for side in (pair.a, pair.b):
            link = side.link
            assert (link._asked, link._served, link._held, link._request_octets) == ({}, {}, 0, 0), f"seed {seed}"
    assert [service.running for service in it.services] == [0, 0], f"seed {seed}"
