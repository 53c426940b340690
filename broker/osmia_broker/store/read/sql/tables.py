"""Selections from the stored tables, and the rows that they find.

A file can hold corrupt rows: an operator changed them by hand, or a disk failed. A list leaves them out with a warning in the log, so
one corrupt row never hides the others.
"""

import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Select, select

from osmia_broker.state.rows import Row
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.store import schema
from osmia_broker.store.assemble import READERS, CorruptRow

R = TypeVar("R")

log = logging.getLogger(__name__)


def columns_of(row_type: type[Row]) -> Select[Any]:
    """Select all columns of a row class, in the order of its fields."""
    table = schema.TABLES[row_type]
    return select(*(table.columns[name] for name in KINDS[row_type].columns))


def readable(row_type: type[R], found: Iterable[Any]) -> list[R]:
    """Make rows of one class from their values; leave out corrupt ones with a warning."""
    reader = READERS[row_type]
    rows = []
    for values in found:
        try:
            rows.append(reader.row(tuple(values)))
        except CorruptRow as fault:
            log.warning("a corrupt row is left out of a list: %s", fault)
    return rows
