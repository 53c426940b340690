"""Selections from the stored tables."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Select, select

from osmia_broker.state.rows import Row
from osmia_broker.store import schema


def columns_of(row_type: type[Row]) -> Select[Any]:
    """Select all columns of a row class, in the order of its fields."""
    table = schema.TABLES[row_type]
    return select(*(table.columns[field.name] for field in fields(row_type)))
