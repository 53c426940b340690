"""Logs: one event a line on stderr, as text for people or JSON for machines, fields after the message.

    logger.info("leadership taken", extra={"partition": 1, "took": "0.21s"})

Field names are those of web-and-cli.md, section 5. Never give a variable's value, a token or a password to a logger, at any
level. The same warning or error of the same logger is written once in ten seconds; the next one says how many were held back.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

import msgspec

REPEAT_S = 10.0
REMEMBERED_MAX = 1000  # different warnings that are told apart; beyond them the oldest is forgotten

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(level: str, format: str, stream: TextIO | None = None) -> None:
    """Send everything of *level* (`debug`, `info`, `warning`, `error`) and above to *stream* (stderr unless given).

    *format* is `text`, `json`, or `auto`: text on a terminal, else JSON. May be called again; the last call counts.
    """
    stream = stream or sys.stderr
    if format == "auto":
        format = "text" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if format == "text" else JsonFormatter())
    handler.addFilter(OncePerWhile())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class OncePerWhile(logging.Filter):
    """Lets a warning or error pass once in `REPEAT_S`; the next that passes carries `repeated`, the number held back."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether *record* is written. Time is the record's own."""
        if record.levelno < logging.WARNING:
            return True
        event = (record.name, record.levelno, str(record.msg))
        since, held = self._last.get(event, (-REPEAT_S, 0))
        if record.created - since < REPEAT_S:
            self._last[event] = (since, held + 1)
            return False
        self._last[event] = (record.created, 0)
        if len(self._last) > REMEMBERED_MAX:
            self._last.pop(next(iter(self._last)))
        if held:
            record.repeated = held
        return True


class TextFormatter(logging.Formatter):
    """`2026-11-22T02:33:48.120Z INFO  partition  leadership taken  partition=1 epoch=7`; a traceback follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of *record*."""
        told = " ".join(f"{name}={_word(value)}" for name, value in _fields(record).items())
        head = f"{_time(record)} {record.levelname:<5} {_logger(record)}  {_line(record.getMessage())}"
        trace = "".join("\n    " + line for line in _traceback(record).splitlines())
        return (f"{head}  {told}" if told else head) + trace


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, then the fields; `trace` holds a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of *record*."""
        document = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": _logger(record),
            "message": record.getMessage(),
            **_fields(record),
        }
        if trace := _traceback(record):
            document["trace"] = trace
        return msgspec.json.encode(document, enc_hook=str).decode()


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra`, and `error` when an exception came with it."""
    told = {name: value for name, value in vars(record).items() if name not in _OWN}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        told.setdefault("error", f"{type(error).__name__}: {error}")
    return told


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _logger(record: logging.LogRecord) -> str:
    return record.name.removeprefix("osmia_broker.")


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


def _word(value: object) -> str:
    """*value* as one word: quoted where it has blanks, so that a line can be split again."""
    text = _line(str(value))
    return msgspec.json.encode(text).decode() if " " in text or not text else text


def _line(text: str) -> str:
    """*text* without line ends or other control characters, which could pretend to be another event."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
