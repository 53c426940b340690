"""Cron expressions of Activiti files: days of the week and years as Quartz counts them (measured on Activiti 7.1.0.M6)."""

from datetime import UTC, datetime

import pytest

from osmia_broker.model import timers
from osmia_broker.model.quartz import from_quartz
from osmia_broker.model.timers import next_of_interval, read_cycle


@pytest.mark.parametrize(
    ("quartz", "plain"),
    [
        ("0 0 9 ? * 1", "0"),
        ("0 0 9 ? * 7", "6"),
        ("0 0 9 ? * 2-6", "1,2,3,4,5"),
        ("0 0 9 ? * MON-FRI", "1,2,3,4,5"),
        ("0 0 9 ? * sat-sun", "0,6"),
        ("0 0 9 ? * 6-2", "0,1,5,6"),
        ("0 0 9 ? * 1,7", "0,6"),
        ("0 0 9 ? * 2/2", "1,3,5"),
        ("0 0 9 ? * */3", "0,3,6"),
        ("0 0 9 ? * MON-FRI/2", "1,3,5"),
        ("0 0 9 ? * 6L", "5L"),
        ("0 0 9 ? * FRIL", "5L"),
        ("0 0 9 ? * 6#3", "5#3"),
        ("0 0 9 ? * L", "6"),
        ("0 0 9 15 * ?", "?"),
    ],
)
def test_the_week_begins_with_day_one_a_sunday(quartz: str, plain: str):
    assert from_quartz(quartz) == " ".join([*quartz.split()[:5], plain])


@pytest.mark.parametrize("days", ["0", "8", "2-8", "MONDAY", "2#6", "", "1,,2", "2/0", "8L"])
def test_other_days_are_refused(days: str):
    assert from_quartz(f"0 0 9 ? * {days}") is None
    assert read_cycle(f"0 0 9 ? * {days}", lenient=True) is None


def moments(cron: str, number: int) -> list[str]:
    cycle = read_cycle(cron, lenient=True)
    assert cycle is not None
    at = int(datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp() * 1000)  # a Friday
    found = []
    for _ in range(number):
        next_ms = next_of_interval(cycle.interval, at)
        if next_ms is None:
            return [*found, "none"]
        at = next_ms
        found.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H"))
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 9 ? * 6", ["2027-01-15T09", "2027-01-22T09"]),
        ("0 0 9 15 1 ? *", ["2027-01-15T09", "2028-01-15T09"]),
        ("0 0 9 15 1 ? 2028", ["2028-01-15T09", "none"]),
        ("0 0 9 15 1 ? 2026-2028", ["2027-01-15T09", "2028-01-15T09", "none"]),
        ("0 0 9 15 1 ? 2020/4", ["2028-01-15T09", "2032-01-15T09"]),
        ("0 0 9 15 1 ? 2027,2030", ["2027-01-15T09", "2030-01-15T09", "none"]),
        ("0 0 9 L-3 1 ? 2028", ["2028-01-28T09", "none"]),
        ("0 0 9 15W 1 ? 2028", ["2028-01-14T09", "none"]),
        ("0 0 9 15 1 ? 2020", ["none"]),
        ("0 0 9 29 2 ? 2027", ["none"]),
        ("0 0 9 29 2 ? 2027,2029-2031,2032", ["2032-02-29T09", "none"]),
        ("0 0 9 ? 2 2#5 2027-2043/4", ["none"]),
        ("0 0 9 ? 2 3#5 2028/4", ["2028-02-29T09", "2056-02-29T09", "2084-02-29T09", "none"]),
    ],
)
def test_a_seventh_field_names_the_years(cron: str, expected: list[str]):
    assert moments(cron, len(expected)) == expected


def test_years_that_have_no_such_day_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch):
    looks = []
    every_year = timers._every_year
    monkeypatch.setattr(timers, "_every_year", lambda *given: looks.append(given) or every_year(*given))
    assert moments("0 0 9 ? 2 2#5 2027-2043", 1) == ["none"]  # the next is in 2044
    assert (
        len(looks) == 3
    )  # the deployment looks whether there are any; then once for the fields, once for the first year


@pytest.mark.parametrize(
    "years", ["1969", "2100", "2027-2100", "0000-9999", ",".join(["2027"] * 131)], ids=["", "", "", "", "too many"]
)
def test_years_are_those_of_quartz_and_each_is_named_once_at_most(years: str):
    assert read_cycle(f"0 0 9 15 1 ? {years}", lenient=True) is None


@pytest.mark.parametrize(
    "cron", ["0 0 9 15 1 ? 27", "0 0 9 15 1 ? 2027-", "0 0 9 15 1 ? x", "0 0 99 15 1 ? 2027", "0 0 9 15 1 ? 2027 *"]
)
def test_other_years_are_refused(cron: str):
    assert read_cycle(cron, lenient=True) is None


@pytest.mark.parametrize("cron", ["0 0 9 15 1 ? *", "0 0 9 15 1 ? 2028", "0 0 9 ? * SAT-SUN"])
def test_files_of_the_other_dialect_keep_their_six_fields(cron: str):
    assert read_cycle(cron) is None


def test_there_a_day_of_the_week_counts_from_monday():
    cycle = read_cycle("0 0 9 ? * 6")
    assert cycle is not None
    assert cycle.interval == "0 0 9 ? * 6"
