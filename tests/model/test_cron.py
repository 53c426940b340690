"""Cron expressions of six fields: their next moments in UTC."""

from datetime import UTC, datetime

import pytest

from osmia_broker.model.dates import read_period
from osmia_broker.model.timers import ENDLESS, LATEST_MS, after_period, next_of_interval, read_cycle


def midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def moments(cron: str, after: str, number: int) -> list[str]:
    at = int(datetime.fromisoformat(after).replace(tzinfo=UTC).timestamp() * 1000)
    found = []
    for _ in range(number):
        next_ms = next_of_interval(cron, at)
        assert next_ms is not None
        at = next_ms
        found.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        (
            "0 0 0 15W * ?",
            ["2026-01-15T00:00:00", "2026-02-16T00:00:00", "2026-03-16T00:00:00"],
        ),  # a Sunday: the Monday
        ("0 0 9 1W * *", ["2026-01-01T09:00:00", "2026-02-02T09:00:00", "2026-03-02T09:00:00"]),
        ("0 0 0 1W 8 ?", ["2026-08-03T00:00:00", "2027-08-02T00:00:00"]),  # a Saturday that begins the month
        ("0 0 0 31W * ?", ["2026-01-30T00:00:00", "2026-03-31T00:00:00", "2026-05-29T00:00:00"]),  # never another month
        ("0 0 0 29W 2 ?", ["2028-02-29T00:00:00", "2032-02-27T00:00:00"]),  # a Sunday that ends the month
        ("0 0 8,9 15w 1 ?", ["2026-01-15T08:00:00", "2026-01-15T09:00:00", "2027-01-15T08:00:00"]),
        ("0 0 0 L-3 * ?", ["2026-01-28T00:00:00", "2026-02-25T00:00:00", "2026-03-28T00:00:00"]),
        ("0 0 0 L-0 * ?", ["2026-01-31T00:00:00", "2026-02-28T00:00:00"]),
        ("0 0 0 L-30 * ?", ["2026-01-01T00:00:00", "2026-03-01T00:00:00"]),  # a month of 31 days
        ("0 0 8,9 l-28 2 ?", ["2028-02-01T08:00:00", "2028-02-01T09:00:00"]),  # a year with a 29 February
        ("0 0 0 L-3w * ?", ["2026-01-28T00:00:00", "2026-02-25T00:00:00", "2026-03-27T00:00:00"]),  # a Saturday
        ("0 0 0 LW * ?", ["2026-01-30T00:00:00", "2026-02-27T00:00:00"]),
        ("0 0 0 L * ?", ["2026-01-31T00:00:00", "2026-02-28T00:00:00"]),
        ("0 0 0 ? * MON#2", ["2026-01-12T00:00:00", "2026-02-09T00:00:00"]),
        ("0 0 0 ? * 5L", ["2026-01-30T00:00:00", "2026-02-27T00:00:00"]),
    ],
)
def test_the_next_moments(cron: str, expected: list[str]):
    assert moments(cron, "2026-01-01T00:00:00" if "9 1W" in cron else "2025-12-31T12:00:00", len(expected)) == expected


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 0 0W * ?",
        "0 0 0 32W * ?",
        "0 0 0 W * ?",
        "0 0 0 1,15W * ?",
        "0 0 0 L-31 * ?",
        "0 0 0 L-3,5 * ?",
        "0 0 0 L- * ?",
        "0 0 0 L-3/2 * ?",
        "0 0 0 L-3 * MON",
        "0 0 0 15W * MON",
        "0 0 0 15W 13 ?",
    ],
)
def test_what_is_no_cron_expression(cron: str):
    assert read_cycle(cron) is None


@pytest.mark.parametrize("after_ms", [0, 253_402_300_799_000])
def test_a_moment_that_never_comes_is_none(after_ms: int):
    assert next_of_interval("0 0 0 31W 2 ?", after_ms) is None


@pytest.mark.parametrize("cron", ["0 0 0 15W * ?", "0 0 0 15 * ?", "0 0 0 ? * MON#2"])
def test_the_calendar_ends_with_the_year_9999(cron: str):
    assert next_of_interval(cron, 253_402_300_799_000) is None


@pytest.mark.parametrize(
    ("start", "period", "later"),
    [
        ("9999-10-31", "P2M", "9999-12-31"),
        ("9999-01-31", "P1M", "9999-02-28"),
        ("2023-12-31", "P2M", "2024-02-29"),
        ("2024-02-29", "P1Y", "2025-02-28"),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_of_the_month(start: str, period: str, later: str):
    found = read_period(period)
    assert found is not None
    assert after_period(midnight(start), found) == midnight(later)


def test_no_period_leads_past_the_year_9999():
    found = read_period("P1M")
    assert found is not None
    assert after_period(midnight("9999-12-31"), found) == LATEST_MS


@pytest.mark.parametrize(
    ("text", "repetitions"),
    [("R-1/PT1H", ENDLESS), ("R/PT1H", ENDLESS), ("R0/PT1H", 0), ("R-2/PT1H", None), ("R-/PT1H", None)],
)
def test_how_often_a_cycle_repeats(text: str, repetitions: int | None):
    cycle = read_cycle(text)
    assert (None if cycle is None else cycle.repetitions) == repetitions
