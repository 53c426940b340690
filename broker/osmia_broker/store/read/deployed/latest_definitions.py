"""The latest versions of definitions by their ids, and the numbers that new versions would have."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Select, func, select

from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_cluster, question
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.tables import columns_of

Definition = ProcessDefinition | DecisionRequirements | Decision | Form

#: The rows of each kind, and the column of their ids.
KINDS: Mapping[str, tuple[type[Any], str]] = {
    "process": (ProcessDefinition, "bpmn_process_id"),
    "decision requirements": (DecisionRequirements, "decision_requirements_id"),
    "decision": (Decision, "decision_id"),
    "form": (Form, "form_id"),
}


class Latest(msgspec.Struct, frozen=True):
    """The state of a definition: the latest version that is not deleted, if there is one, and the highest number that was given."""

    row: Definition | None
    version: int


@question(of_cluster)
async def latest(sources: Sources, definitions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Latest]:
    """Return what is there of each definition, given as kind and id; those that were never deployed are left out."""
    ids: dict[str, list[str]] = {}
    for kind, id in definitions:
        ids.setdefault(kind, []).append(id)
    found: dict[tuple[str, str], Latest] = {}
    async with sources.database.snapshot() as snapshot:
        for kind, wanted in ids.items():
            row_type, column = KINDS[kind]
            given = {"ids": dialect.array(wanted)}
            rows = {getattr(row, column): row for row in await snapshot.rows(row_type, _latest(kind), given)}
            for id, version in await snapshot.values(_highest(kind), given):
                found[kind, id] = Latest(rows.get(id), version)
    return found


@cache
def _latest(kind: str) -> Select[Any]:
    row_type, column = KINDS[kind]
    table = schema.TABLES[row_type]
    newer = table.alias()
    highest = (
        select(func.max(newer.c.version))
        .where(newer.c[column] == table.c[column], newer.c.deleted_ms == 0)
        .scalar_subquery()
    )
    return columns_of(row_type).where(
        dialect.among(table.c[column], "ids"), table.c.deleted_ms == 0, table.c.version == highest
    )


@cache
def _highest(kind: str) -> Select[Any]:
    row_type, column = KINDS[kind]
    table = schema.TABLES[row_type]
    return (
        select(table.c[column], func.max(table.c.version))
        .where(dialect.among(table.c[column], "ids"))
        .group_by(table.c[column])
    )
