"""Texts for dates and periods, as the deployment and the engine read them."""

import pytest

from osmia_broker.model.dates import Period, full_date_time, read_period, zoned_date_time

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P2W", Period(days=14)),
        ("P1Y2M3DT4H", Period(1, 2, 3, 4 * HOUR)),
        ("P1Y2M3W4DT5H6M7S", Period(1, 2, 25, 5 * HOUR + 6 * 60 * SECOND + 7 * SECOND)),
        ("PT90M", Period(nanoseconds=90 * 60 * SECOND)),
        ("P1M", Period(months=1)),
        ("PT1M", Period(nanoseconds=60 * SECOND)),
        ("PT1.5S", Period(nanoseconds=3 * SECOND // 2)),
        ("PT1,25S", Period(nanoseconds=5 * SECOND // 4)),
        ("PT-0.5S", Period(nanoseconds=-SECOND // 2)),
        ("PT-1.5S", Period(nanoseconds=-3 * SECOND // 2)),
        ("P-1DT+2H", Period(days=-1, nanoseconds=2 * HOUR)),
        ("-P1DT2H", Period(days=-1, nanoseconds=-2 * HOUR)),
        ("P0D", Period()),
        ("P1y2w", Period(years=1, days=14)),
        ("P999999999D", Period(days=999_999_999)),
    ],
)
def test_a_period_is_read(text: str, expected: Period) -> None:
    assert read_period(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "P", "PT", "P1", "P1DT", "PT1", "1D", "P1H", "PT1D", "PT1W", "PT1Y", "P1D1W", "P1W1M", "P1M1Y", "PT1S1M", "P1.5D", "PT1.S",
        "PT.5S", "P--1D", "P1D ", " P1D", "P1DT1H/2030", "R3/PT5M", "P10000000000D", "P\u0661D", "PT1.0000000001S", "P 1D",
    ],
)  # fmt: skip
def test_what_is_no_period(text: str) -> None:
    assert read_period(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030", "2030-01-01T00:00:00"),
        ("2030-02", "2030-02-01T00:00:00"),
        ("2030-02-03", "2030-02-03T00:00:00"),
        ("2030-034", "2030-02-03T00:00:00"),
        ("2028-366", "2028-12-31T00:00:00"),
        ("2030-W05", "2030-01-28T00:00:00"),
        ("2030-W05-7", "2030-02-03T00:00:00"),
        ("2030-02-03T04", "2030-02-03T04:00:00"),
        ("2030-02-03T04:05", "2030-02-03T04:05:00"),
        ("2030-02-03T04:05:06", "2030-02-03T04:05:06"),
        ("2030-02-03T04:05:06.789", "2030-02-03T04:05:06.789"),
        ("2030-02-03T04:05:06,5Z", "2030-02-03T04:05:06.5Z"),
        ("2030-02-03T04:05+02:00", "2030-02-03T04:05:00+02:00"),
        ("2030-02-03T04:05-0230", "2030-02-03T04:05:00-02:30"),
        ("2030-02-03T04+02", "2030-02-03T04:00:00+02:00"),
        ("2030-02-03T04:05:06+01:00[Europe/Berlin]", "2030-02-03T04:05:06+01:00[Europe/Berlin]"),
    ],
)
def test_a_date_time_is_completed(text: str, expected: str) -> None:
    assert full_date_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "203", "20300", "0000", "1893456000000", "2030-1", "2030-13", "2030-00", "2030-02-30", "2029-366", "2030-000", "9999-366",
        "2030-W54", "2030-W05-8", "2030-02-03T", "2030-02-03 04:05", "2030-02-03T24:00", "2030-02-03T04:60", "2030-02-03T04:05:60",
        "2030-02-03T4", "2030-02-03T04:05+24:00", "2030-02-03T04:05+18:01", "2030-02-03T04:05+01:00[Mars/Olympus]", "2030-02-03Z", "T04:05",
        "2030-02-03T04:05:06[Europe/Berlin]",
        "now", "\u0662030-01-01", "2030-02-03T04:05:06.", "2030-02-03T04:05+02:60", "2030-02-03T04:05-0299",
    ],
)  # fmt: skip
def test_what_is_no_date_time(text: str) -> None:
    assert full_date_time(text) is None


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2030-01-01T01:00Z", "2030-01-01T01:00Z"),
        ("2030-01-01T01:00:00.123456789+18:00", "2030-01-01T01:00:00.123456789+18:00"),
        ("2030-01-01T01:00+01:00[Europe/Berlin]", "2030-01-01T01:00+01:00[Europe/Berlin]"),
        ("2030-01-01T01:00:00z", "2030-01-01T01:00:00Z"),
        ("2030-01-01t01:00:00-05", "2030-01-01T01:00:00-05:00"),
        ("2030-01-01T01:00:00.5+01[Europe/Berlin]", "2030-01-01T01:00:00.5+01:00[Europe/Berlin]"),
        ("2030-01-01T01:00:00.Z", "2030-01-01T01:00:00Z"),
        ("2030-01-01T01:00+02:59", "2030-01-01T01:00+02:59"),
        ("2030-01-01T01:00+02:00[GMT+02:00]", "2030-01-01T01:00+02:00[GMT+02:00]"),
        ("2030-01-01T01:00-05:30[UTC-05:30]", "2030-01-01T01:00-05:30[UTC-05:30]"),
        ("2030-01-01T01:00+18[UT+18:00]", "2030-01-01T01:00+18:00[UT+18:00]"),
        ("2030-01-01T01:00+02:00[Etc/GMT-2]", "2030-01-01T01:00+02:00[Etc/GMT-2]"),
    ],
)
def test_a_zoned_date_time(text: str, spelled: str) -> None:
    assert zoned_date_time(text) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "", "2030-01-01T01:00+18:01", "2030-01-01T01:00+19", "2030-01-01T01:00", "2030-01-01T01Z", "2030-01-01", "P1D", "2030-01-01T01:00+0100",
        "2030-01-01T01:00+1", "2030-02-30T01:00Z", "2030-01-01T24:00Z", "2030-01-01T01:00.5Z", "2030-01-01T01:00:00,5Z", "2030-01-01 01:00Z",
        "2030-01-01T01:00Z[europe/berlin]", "2030-01-01T01:00[Europe/Berlin]", " 2030-01-01T01:00Z", "2030-01-01T01:00+02:60",
        "2030-01-01T01:00+02:99", "2030-01-01T01:00-00:60", "2030-01-01T01:00+02:00[UTC+02:60]", "2030-01-01T01:00+02:00[UTC+18:01]",
        "2030-01-01T01:00+02:00[GMT+2]", "2030-01-01T01:00+02:00[UTC+02]", "2030-01-01T01:00+02:00[UTC+0200]", "2030-01-01T01:00+02:00[gmt+02:00]",
        "2030-01-01T01:00+02:00[Europe:Berlin]", "2030-01-01T01:00+02:00[CET+02:00]",
    ],
)  # fmt: skip
def test_what_is_no_zoned_date_time(text: str) -> None:
    assert zoned_date_time(text) is None
