"""Write the log to stderr: one event a line, as text for people or JSON for machines, with fields after the message.

    logger.info("leadership taken", extra={"partition": 1, "took": "0.21s"})

Never log the value of a variable, a token or a password, at any level. The same warning or error of one logger (with an
exception: of the same type, from the same place; with a field `model`: about the same place of a model) is written once in ten seconds; the next
one carries the number of those held back.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

import msgspec

REPEAT_S = 10.0
REMEMBERED_MAX = 1000  # different warnings and errors; beyond them the oldest is forgotten

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


Context = Callable[[], Mapping[str, object]]

_contexts: list[Context] = []


def add_context(context: Context) -> Callable[[], None]:
    """Add the fields that *context* returns to each event that does not have them; it is asked where the event is logged. Return how to end that."""
    _contexts.append(context)
    return lambda: _contexts.remove(context)


def set_up(level: str, format: str, stream: TextIO | None = None) -> None:
    """Log events of *level* (`debug`, `info`, `warning`, `error`) and above to *stream* (stderr unless given).

    *format* is `text`, `json` or `auto`: text on a terminal, else JSON. A later call replaces an earlier one.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if form_for(format, stream) == "text" else JsonFormatter())
    handler.addFilter(quieten_clients)
    handler.addFilter(OncePerWhile())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def form_for(format: str, stream: TextIO) -> str:
    """Return `text` or `json`, whichever *format* means for *stream*."""
    return format if format != "auto" else "text" if stream.isatty() else "json"


#: What gRPC's own server reports as its error although the client has caused it: an answer whose caller has left, a request that is no message.
_OF_CLIENTS = frozenset({"ExecuteBatchError", "DecodeError"})
_GRPC = "grpc._cython.cygrpc"


def quieten_clients(record: logging.LogRecord) -> bool:
    """Return whether to write *record*: a client that leaves is no error of the broker, and is reported at level debug without a traceback."""
    if record.name != _GRPC or not record.exc_info or type(record.exc_info[1]).__name__ not in _OF_CLIENTS:
        return True
    record.levelno, record.levelname, record.exc_info, record.exc_text = logging.DEBUG, "DEBUG", None, None
    return logging.getLogger().isEnabledFor(logging.DEBUG)


class OncePerWhile(logging.Filter):
    """Let the same warning or error pass once in `REPEAT_S`. The next that passes carries `repeated`, the number held back."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int, str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write *record*. The time is the record's own."""
        if record.levelno < logging.WARNING:
            return True
        event = (record.name, record.levelno, str(record.msg), _raised(record), str(getattr(record, "model", "")))
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


def _raised(record: logging.LogRecord) -> str:
    """Return what was raised and where, so that another defect is another event; empty for an event without an exception."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return " ".join([type(error).__name__, *(f"{one.filename}:{one.lineno}" for one in frames)])


class TextFormatter(logging.Formatter):
    """Format an event as a line such as this one, followed by its traceback, indented.

    2026-11-22T02:33:48.120Z INFO  partition  leadership taken  partition=1 epoch=7
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*."""
        fields = " ".join(f"{name}={_word(value)}" for name, value in _fields(record).items())
        head = f"{_time(record)} {record.levelname:<5} {_logger(record)}  {_line(record.getMessage())}"
        trace = "".join("\n    " + line for line in _traceback(record).splitlines())
        return (f"{head}  {fields}" if fields else head) + trace


class JsonFormatter(logging.Formatter):
    """Format an event as one JSON object: `time`, `level`, `logger`, `message`, the fields, and `trace` for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*."""
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
    """Return the caller's `extra` fields, those of the contexts, and `error` when an exception was logged."""
    fields = {name: value for name, value in vars(record).items() if name not in _OWN}
    for context in _contexts:
        fields = {**context(), **fields}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        fields.setdefault("error", f"{type(error).__name__}: {error}")
    return fields


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
    """Return *value* as one word. It is quoted if it has blanks, so that a line can be split again."""
    text = _line(str(value))
    return msgspec.json.encode(text).decode() if " " in text or not text else text


def _line(text: str) -> str:
    """Return *text* with its control characters escaped. A line end in it could pretend to be another event."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
