import io
import json
import logging
import sys
from collections.abc import Callable

import pytest

from osmia_broker.base import logs

MOMENT = 1_795_314_828.12


def record(message="leadership taken", level=logging.INFO, created=MOMENT, error=None, **extra):
    info = (type(error), error, error.__traceback__) if error else None
    one = logging.LogRecord("osmia_broker.partition", level, __file__, 1, message, (), info)
    one.created = created
    vars(one).update(extra)
    return one


def test_text_has_time_level_logger_message_and_fields():
    line = logs.TextFormatter().format(record(partition=1, took="0.21s"))
    assert line == "2026-11-22T02:33:48.120Z INFO  partition  leadership taken  partition=1 took=0.21s"


def test_json_has_the_same_by_name():
    line = json.loads(logs.JsonFormatter().format(record(partition=1, where=object)))
    assert line == {
        "time": "2026-11-22T02:33:48.120Z",
        "level": "info",
        "logger": "partition",
        "message": "leadership taken",
        "partition": 1,
        "where": "<class 'object'>",
    }


def test_a_context_adds_its_fields_where_the_event_has_none_of_its_own():
    end = logs.add_context(lambda: {"trace_id": "1", "span_id": "2"})
    try:
        line = logs.TextFormatter().format(record(span_id="mine", partition=1))
        document = json.loads(logs.JsonFormatter().format(record()))
    finally:
        end()
    assert line.endswith("leadership taken  trace_id=1 span_id=mine partition=1")
    assert (document["trace_id"], document["span_id"]) == ("1", "2")
    assert "trace_id" not in logs.TextFormatter().format(record())


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31m"])
def test_a_message_cannot_pretend_to_be_another_line(text):
    line = logs.TextFormatter().format(record(text, user=text))
    assert line.isprintable()
    assert len(logs.JsonFormatter().format(record(text)).splitlines()) == 1


def test_an_exception_is_logged_with_its_traceback():
    with pytest.raises(ValueError, match="no room") as caught:
        int("no room")
    one = record(error=caught.value)
    text, document = logs.TextFormatter().format(one), json.loads(logs.JsonFormatter().format(one))
    assert 'error="ValueError: invalid literal' in text.splitlines()[0]
    assert all(line.startswith("    ") for line in text.splitlines()[1:])
    assert document["error"].startswith("ValueError: invalid")
    assert "Traceback" in document["trace"]


def test_another_defect_is_another_event_under_the_same_message():
    def failed(call: Callable[[], object], at_s: float) -> logging.LogRecord:
        found = record("call failed", logging.ERROR, MOMENT + at_s)
        try:
            call()
        except (KeyError, ValueError):
            found.exc_info = sys.exc_info()
        return found

    def missing(name: str) -> object:
        return {}[name]

    def missing_elsewhere() -> object:
        return {}["a"]

    events = [
        failed(lambda: missing("a"), 0),
        failed(lambda: missing("b"), 1),
        failed(lambda: int("a"), 2),
        failed(missing_elsewhere, 3),
        failed(missing_elsewhere, 4),
        record("call failed", logging.ERROR, MOMENT + 5),
    ]
    once = logs.OncePerWhile()
    assert [once.filter(one) for one in events] == [True, False, True, True, False, True]


def test_a_warning_about_another_place_of_a_model_is_another_one():
    """`osmia deploy` says all warnings of a deployment, and the log of the broker had the first one only."""
    once = logs.OncePerWhile()
    events = [record("a model", logging.WARNING, MOMENT) for _ in range(4)]
    for event, model in zip(events, ("a.bpmn:1", "a.bpmn:2", "a.bpmn:1", "b.bpmn:1"), strict=True):
        event.model = model
    assert [once.filter(one) for one in events] == [True, True, False, True]


def test_a_repeated_error_is_written_once_with_a_count_later():
    once = logs.OncePerWhile()
    passed = [once.filter(record("disk full", logging.ERROR, MOMENT + second)) for second in (0, 1, 9, 11)]
    assert passed == [True, False, False, True]
    last = record("disk full", logging.ERROR, MOMENT + 22)
    once.filter(last)
    assert not hasattr(last, "repeated")


def test_the_count_stands_with_the_next_that_passes():
    once = logs.OncePerWhile()
    for second in (0, 1, 2):
        once.filter(record("disk full", logging.ERROR, MOMENT + second))
    later = record("disk full", logging.ERROR, MOMENT + 20)
    assert once.filter(later)
    assert later.repeated == 2


def test_news_of_normal_life_are_never_held_back():
    once = logs.OncePerWhile()
    assert [once.filter(record()) for _ in range(3)] == [True] * 3


def test_different_errors_are_distinguished_in_bounded_memory():
    once = logs.OncePerWhile()
    assert all(once.filter(record(f"fault {number}", logging.ERROR)) for number in range(2 * logs.REMEMBERED_MAX))
    assert len(once._last) == logs.REMEMBERED_MAX


@pytest.mark.parametrize(
    ("format", "is_terminal", "begins"),
    [("auto", True, "20"), ("auto", False, "{"), ("json", True, "{"), ("text", False, "20")],
)
def test_the_form_follows_the_setting_and_the_stream(format, is_terminal, begins, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        logs.set_up("info", format, stream)
        logging.getLogger("osmia_broker.running.broker").info("started")
        logging.getLogger("osmia_broker.running.broker").debug("not asked for")
    finally:
        root.handlers, root.level = before, level
    assert stream.getvalue().startswith(begins)
    assert len(stream.getvalue().splitlines()) == 1


class ExecuteBatchError(Exception):
    """As the one of gRPC."""


@pytest.mark.parametrize(("level", "is_written"), [("INFO", False), ("DEBUG", True)])
def test_a_client_that_has_left_is_no_error(caplog: pytest.LogCaptureFixture, level: str, is_written: bool):
    caplog.set_level(level)
    left = record("raised in core", logging.ERROR, error=ExecuteBatchError("gone"))
    left.name = "grpc._cython.cygrpc"
    assert logs.quieten_clients(left) is is_written
    assert (left.levelname, left.exc_info) == ("DEBUG", None)


@pytest.mark.parametrize(
    ("name", "error"),
    [("grpc._cython.cygrpc", ValueError("no")), ("grpc._cython.cygrpc", None), ("other", ExecuteBatchError("gone"))],
)
def test_other_errors_stay_errors(name: str, error: Exception | None):
    one = record("failed", logging.ERROR, error=error)
    one.name = name
    assert logs.quieten_clients(one)
    assert (one.levelname, one.exc_info is None) == ("ERROR", error is None)
