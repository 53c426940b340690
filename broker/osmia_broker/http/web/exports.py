"""Lists as CSV files: written while they are read, and harmless to the spreadsheet that opens them."""

import csv
import io
from collections.abc import AsyncIterator, Iterable

from starlette.responses import Response, StreamingResponse

_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would run a cell that begins like this


def csv_file(name: str, lines: AsyncIterator[str]) -> Response:
    """Answer with a file that the browser keeps."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Write rows, each cell so that a spreadsheet shows it and runs nothing."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(one) for one in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    return harmless(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def harmless(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\r", "\n")) else text
