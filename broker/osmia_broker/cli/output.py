"""Print lists and records to stdout in the wanted form: table, wide, json, yaml, csv, or only the keys.

Rows are mappings with the field names of the REST API v2. Keys are text; moments are ISO 8601 UTC.
"""

import csv
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from osmia_broker.cli import streams

Row = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Output(StrEnum):
    """The forms of `--output`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a list, and its title in a table. The first column is the key."""

    field: str
    title: str
    is_wide: bool = False  # only `wide` shows it
    is_long: bool = False  # it may be cut to fit the terminal
    is_moment: bool = False  # ISO 8601; a terminal shows it as short local time
    is_day: bool = False  # ISO 8601; a terminal shows its day
    text: Callable[[Row], Any] | None = None  # makes what a table shows instead of the field
    width: int = 0  # at least, in a list without end


def moment(ms: int) -> str | None:
    """Return epoch milliseconds as ISO 8601 UTC; `None` for 0, which means never. Moments beyond the year 9999 are its end."""
    if not ms:
        return None
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    try:
        at = EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        at = last if ms > 0 else first
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(rows: Sequence[Row], columns: Sequence[Column], output: Output, *, color: bool = True) -> None:
    """Print *rows* as a list."""
    if output is Output.JSON:
        _line(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    elif output is Output.YAML:
        _line("\n".join(map(_yaml, rows)) if rows else "[]")
    elif output is Output.CSV:
        _csv(rows, [column.field for column in columns])
    elif output is Output.KEY:
        for row in rows:
            _line(_cell(row[columns[0].field]))
    elif rows:
        is_wide = output is Output.WIDE
        shown = [column for column in columns if is_wide or not column.is_wide]
        _table(rows, shown, color=color, is_exact=is_wide)


def write_one(row: Row, key: str, text: str, output: Output) -> None:
    """Print one record: in a table *text*, as a key its field *key*, else all its fields."""
    if output in (Output.TABLE, Output.WIDE):
        _line(streams.harmless(text))
    elif output is Output.JSON:
        _line(msgspec.json.encode(row).decode())
    elif output is Output.YAML:
        _line("\n".join(_yaml_lines(row)))
    else:
        write([row], [Column(key, key), *(Column(name, name) for name in row if name != key)], output)


def write_next(row: Row, columns: Sequence[Column], output: Output, *, is_first: bool) -> None:
    """Print the next row of a list without end, at once. A table has columns of fixed width, JSON an object a line."""
    if output is Output.JSON:
        _line(msgspec.json.encode(row).decode())
    elif output is Output.YAML:
        _line(_yaml(row))
    elif output is Output.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([[column.field for column in columns]] if is_first else [])
        writer.writerow([_cell(row.get(column.field)) for column in columns])
    elif output is Output.KEY:
        _line(_cell(row[columns[0].field]))
    else:
        shown = [column for column in columns if output is Output.WIDE or not column.is_wide]
        lines = [[column.title for column in shown]] if is_first else []
        lines.append([_shown(row, column, is_short=False) for column in shown])
        for cells in lines:
            padded = (text.ljust(column.width) for text, column in zip(cells, shown, strict=True))
            _line(GAP.join(padded).rstrip())
    sys.stdout.flush()


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


def _yaml(row: Row) -> str:
    return "- " + "\n  ".join(_yaml_lines(row))


def _yaml_lines(row: Row) -> list[str]:
    """Return the lines of a block mapping with JSON values. YAML 1.2 contains JSON."""
    return [f"{name}: {msgspec.json.encode(value).decode()}" for name, value in row.items()]


def _csv(rows: Sequence[Row], fields: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_cell(row.get(field)) for field in fields] for row in rows)


def _table(rows: Sequence[Row], columns: Sequence[Column], *, color: bool, is_exact: bool) -> None:
    """Print a table. On a terminal it fits the width: the long columns are cut.

    Unless *is_exact*, moments are short and local there, and before anything is cut, columns without a value are left out. Without a
    terminal a script reads the table, so nothing is cut.
    """
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console

    console = Console(no_color=None if color else True)  # `None` asks NO_COLOR
    is_short = console.is_terminal and not is_exact
    lines = [[_shown(row, column, is_short=is_short) for column in columns] for row in rows]
    natural = [max(cell_len(text) for text in texts) for texts in zip(*lines, [c.title for c in columns], strict=True)]
    room = _terminal_width()
    if is_short and sum(natural) + len(GAP) * (len(natural) - 1) > room:
        filled = [place for place, texts in enumerate(zip(*lines, strict=True)) if any(texts)]
        columns, natural = [columns[place] for place in filled], [natural[place] for place in filled]
        lines = [[texts[place] for place in filled] for texts in lines]
    widths = _fitting(natural, columns, room) if console.is_terminal else natural

    def line(texts: Sequence[str]) -> str:
        cells = (
            text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
            for text, width in zip(texts, widths, strict=True)
        )
        padded = (text + " " * (width - cell_len(text)) for text, width in zip(cells, widths, strict=True))
        return GAP.join(padded).rstrip()

    titles = line([column.title for column in columns])
    is_styled = console.is_terminal and not console.is_dumb_terminal and not console.no_color
    _line(f"\x1b[1m{titles}\x1b[0m" if is_styled else titles)
    for texts in lines:
        _line(line(texts))


GAP = "  "
LONG_COLUMN_WIDTH_MIN = 5  # so that the lists of tasks, jobs and subscriptions fit 80 columns


def _fitting(natural: Sequence[int], columns: Sequence[Column], room: int) -> list[int]:
    """Return the widths of the columns: the widest long one is cut again and again until the line fits into *room*.

    All other columns keep their width. If that is too much for a narrow terminal, it wraps the lines.
    """
    widths = [min(width, room) if column.is_long else width for width, column in zip(natural, columns, strict=True)]
    while sum(widths) + len(GAP) * (len(widths) - 1) > room:
        long = [place for place, column in enumerate(columns) if column.is_long and widths[place] > _least(column)]
        if not long:
            break
        widths[max(long, key=widths.__getitem__)] -= 1
    return widths


def _least(column: Column) -> int:
    return max(LONG_COLUMN_WIDTH_MIN, len(column.title))


def _terminal_width() -> int:
    """Return the width of the terminal: COLUMNS if it is set, else the window of standard output, even with TERM=dumb."""
    width = shutil.get_terminal_size((0, 0)).columns
    if not width:
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            width = 0
    return width or 80


def _shown(row: Row, column: Column, *, is_short: bool) -> str:
    """Return the text of a cell in a table."""
    value = column.text(row) if column.text is not None else row.get(column.field)
    text = _cell(value)
    if not is_short or not (column.is_moment or column.is_day):
        return text
    return _local(text, "%Y-%m-%d" if column.is_day else "%Y-%m-%d %H:%M")


def _local(text: str, form: str) -> str:
    """Return an ISO 8601 moment as local time in *form*; another text as it is."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime(form)
    except (ValueError, OverflowError):
        return text


def _cell(value: Any) -> str:
    """Return *value* as one printable line of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(character if character.isprintable() else " " for character in text)
