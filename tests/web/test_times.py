"""A moment as seen from now is said alike by the broker and, as it grows older, by the browser."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from osmia_broker.http.web.rendering import duration, relative
from tests.clock import START_MS

NOW = datetime.fromtimestamp(START_MS / 1000, UTC)
SPANS = (
    (0.4, "just now"),
    (0.6, "1 second"),
    (59.4, "59 seconds"),
    (59.6, "1 minute"),
    (89, "1 minute"),
    (91, "2 minutes"),
    (3_598, "1 hour"),
    (23 * 3_600, "23 hours"),
    (86_398, "1 day"),  # what is due in a day, two seconds later
    (36 * 3_600 - 60, "1 day"),
    (47 * 3_600, "2 days"),
    (29.9 * 86_400, "30 days"),
)


def told(seconds: float, span: str) -> str:
    if span == "just now":
        return span
    return f"{span} ago" if seconds < 0 else f"in {span}"


ASKED = [(sign * seconds, told(sign * seconds, span)) for seconds, span in SPANS for sign in (1, -1)]


@pytest.mark.parametrize(("seconds", "text"), ASKED)
def test_a_moment_is_rounded_to_the_nearest(seconds: float, text: str):
    assert relative((NOW + timedelta(seconds=seconds)).isoformat(), START_MS) == text


def test_a_moment_that_is_far_away_is_its_date():
    assert relative((NOW + timedelta(days=31)).isoformat(), START_MS) == (NOW + timedelta(days=31)).date().isoformat()


def test_what_grows_older_in_the_browser_reads_as_the_broker_says_it(page):
    page.clock.install(time=NOW - timedelta(seconds=30))
    page.clock.pause_at(NOW - timedelta(seconds=20))  # from when on it looks every 20 seconds
    page.goto("/status")
    moments = [(NOW + timedelta(seconds=seconds)).isoformat() for seconds, _ in ASKED]
    page.evaluate(
        "(moments) => document.getElementById('main').append(...moments.map((one) => "
        "Object.assign(document.createElement('time'), { dateTime: one, className: 'asked' })))",
        moments,
    )
    page.clock.run_for(20_000)
    texts = page.locator("time.asked").all_inner_texts()
    assert texts == [text for _, text in ASKED], json.dumps(texts)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.96, "59.9 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")]
)
def test_a_duration_never_says_sixty_seconds(seconds: float, text: str):
    assert duration(NOW.isoformat(), (NOW + timedelta(seconds=seconds)).isoformat(), START_MS) == text
