"""Numbers of groups of rows: each partition counts its own, and one statement more adds up the numbers of all.

    JOBS_OF_TYPES = grouped(select(_job.c.type, func.count().label("number")).group_by(_job.c.type), _of_all)

With one partition, the first statement is a part of the other. With several, the other takes what the first finds in each from a parameter.
So the first must keep apart what the other counts once: for a number of different workers, it has a row for each worker.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, cast, func

from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity, Groups
from osmia_broker.store.read.search.fields import Column
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot

ROWS = "rows_of_partitions"  #: the parameter of `Groups.of_several`

log = logging.getLogger(__name__)


def grouped(rows: Select[Any], whole: Callable[[FromClause], Entity]) -> Entity:
    """Return the entity that *whole* makes of a table of *rows*, which each partition counts for itself.

    A column of *rows* is a text or an integer, and never NULL.
    """
    counted = rows.subquery("counted")
    of_several = dialect.rows(ROWS, {one.name: isinstance(one.type, Integer) for one in counted.columns})
    return replace(whole(counted), groups=Groups(rows, replace(whole(of_several), is_of_cluster=True)))


async def rows_of(snapshots: Sequence[Snapshot], groups: Groups, parameters: Mapping[str, Any]) -> str:
    """Return the value of the parameter ROWS: what each partition counts."""
    found = await asyncio.gather(*(one.values(groups.rows, parameters) for one in snapshots))
    return dialect.array(tuple(row) for rows in found for row in rows if _is_readable(row))


def total(column: Column) -> ColumnElement[int]:
    """Return the sum of integers; 0 of none. On PostgreSQL, the sum itself is no integer, but a numeric."""
    return cast(func.coalesce(func.sum(column), 0), schema.Int64)


def _is_readable(row: Sequence[Any]) -> bool:
    if any(isinstance(value, bytes) for value in row):  # a text that is not UTF-8
        log.warning("a corrupt row is left out of numbers of groups")
        return False
    return True
