"""Print lists and records to stdout in the wanted form: table, wide, json, yaml, csv, or only the keys.

Rows are mappings with the field names of the REST API v2. Keys are text; moments are ISO 8601 UTC.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

Row = Mapping[str, Any]


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
    """One field of a list: its name, its title in a table, and whether only `wide` shows it. The first column is the key."""

    field: str
    title: str
    is_wide: bool = False


def moment(ms: int) -> str | None:
    """Return epoch milliseconds as ISO 8601 UTC; `None` for 0, which means never."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
            _line(str(row[columns[0].field]))
    elif rows:
        _table(rows, [column for column in columns if output is Output.WIDE or not column.is_wide], color=color)


def write_one(row: Row, key: str, text: str, output: Output) -> None:
    """Print one record: in a table *text*, as a key its field *key*, else all its fields."""
    if output in (Output.TABLE, Output.WIDE):
        _line(text)
    elif output is Output.JSON:
        _line(msgspec.json.encode(row).decode())
    else:
        write([row], [Column(key, key), *(Column(name, name) for name in row if name != key)], output)


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


def _yaml(row: Row) -> str:
    """Return a block mapping with JSON values. YAML 1.2 contains JSON."""
    lines = (f"{name}: {msgspec.json.encode(value).decode()}" for name, value in row.items())
    return "- " + "\n  ".join(lines)


def _csv(rows: Sequence[Row], fields: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_cell(row.get(field)) for field in fields] for row in rows)


PLAIN_WIDTH = 10_000  # without a terminal a script reads the table, so nothing is cut


def _table(rows: Sequence[Row], columns: Sequence[Column], *, color: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=None if color else True, highlight=False)  # `None` asks NO_COLOR
    if not console.is_terminal:
        console = Console(no_color=True, highlight=False, width=PLAIN_WIDTH)
    header_style = "" if console.no_color else "bold"  # Rich writes bold even without colours
    table = Table(box=None, pad_edge=False, header_style=header_style, show_edge=False)
    for column in columns:
        is_key = column.field.endswith("Key")
        width = max(len(_cell(row.get(column.field))) for row in rows)
        table.add_column(column.title, no_wrap=True, overflow="ellipsis", min_width=width if is_key else None)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column.field))) for column in columns))
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())


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
