"""The broker's clock, which tests may pin; only while the setting allows it."""

from typing import Annotated

from osmia_broker.calls.clock import LATEST_MS, ClockControl
from osmia_broker.calls.faults import Faults
from osmia_broker.http.described import schema
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.problem import HttpRefusal
from osmia_broker.http.types import Body, Long

TAG = "Clock"


class Pin(Body):
    """The moment at which the clock is to stand: epoch milliseconds."""

    timestamp: Annotated[Long, schema(minimum=0, maximum=LATEST_MS)] | None = None


@operation("PUT", "/clock", tag=TAG, status=204)
async def pin_clock(call: Call, body: Pin) -> None:
    """Pin the clock to a moment; everything that is due by then happens."""
    clock = _control(call)
    faults = Faults()
    faults.require_number("timestamp", body.timestamp, above=-1)
    faults.refuse()
    clock.pin(body.timestamp or 0)


@operation("POST", "/clock/reset", tag=TAG, status=204)
async def reset_clock(call: Call) -> None:
    """Let the clock follow that of the machine again."""
    _control(call).reset()


def _control(call: Call) -> ClockControl:
    clock = call.services.clock
    if clock is None:
        raise HttpRefusal(403, "FORBIDDEN", "Expected the setting clock-control to be on, but it is off")
    return clock
