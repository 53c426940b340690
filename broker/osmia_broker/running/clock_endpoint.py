"""`/actuator/clock`: look at the clock of a broker under test and move it, as Camunda's tools for tests of processes do.

It is there only while the setting `clock_control` allows it.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.clock import ClockControl

PATH = "/actuator/clock"
METHODS = {PATH: "GET, HEAD, DELETE", f"{PATH}/add": "POST", f"{PATH}/pin": "POST"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Add(msgspec.Struct):
    offset: int = msgspec.field(name="offsetMilli")


class _Pin(msgspec.Struct):
    moment: int = msgspec.field(name="epochMilli")


def answer(clock: ClockControl, method: str, path: str, body: bytes) -> tuple[HTTPStatus, dict[str, object]]:
    """Do what a request asks, one of `METHODS`, and return the time that the clock shows then."""
    try:
        if method == "DELETE":
            clock.reset()
        elif path == f"{PATH}/add":
            clock.add(msgspec.json.decode(body, type=_Add).offset)
        elif path == f"{PATH}/pin":
            clock.pin(msgspec.json.decode(body, type=_Pin).moment)
    except msgspec.DecodeError as error:
        name = "offsetMilli" if path == f"{PATH}/add" else "epochMilli"
        return HTTPStatus.BAD_REQUEST, {"error": f"Expected a JSON object with {name}, but found another body: {error}"}
    except InvalidArgument as error:
        return HTTPStatus.BAD_REQUEST, {"error": str(error)}
    now_ms = clock.now_ms()
    instant = (_EPOCH + timedelta(milliseconds=now_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return HTTPStatus.OK, {"epochMilli": now_ms, "instant": instant}
