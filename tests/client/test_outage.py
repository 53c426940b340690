"""What a worker says while the broker is away: at once, now and then, and when it is over."""

import logging

import grpc
import pytest

from osmia import errors
from osmia.taking import REMIND_S, Outage

AWAY = errors.Unavailable(
    grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses;\n last error: " + "x" * 5_000
)
BUSY = errors.BrokerFailed(grpc.StatusCode.INTERNAL, "a defect")


def test_an_outage_is_reported_at_once_and_once_a_minute_and_its_end_as_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "osmia.worker")
    outage = Outage("charge-card")
    for second in range(int(REMIND_S) + 2):
        outage.report(AWAY, float(second))
    outage.end(70.0)
    outage.end(71.0)
    first, again, over = caplog.messages
    assert first == again
    assert first.startswith("job type 'charge-card' will try again: is the broker running? ")
    assert ("\n" in first, len(first) < 300) == (False, True)
    assert over == "job type 'charge-card' works again after 70 s"


def test_a_broker_with_a_fault_runs(caplog: pytest.LogCaptureFixture) -> None:
    Outage("t").report(BUSY, 0.0)
    assert "is the broker running?" not in caplog.text
    assert "a defect" in caplog.text
