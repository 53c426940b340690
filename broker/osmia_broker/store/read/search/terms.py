"""The terms that rows of a list are sorted by, and the condition to lie beyond a place in that order. See `statements`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, and_, bindparam, case, or_, tuple_

from osmia_broker.store.read.search.fields import Column, Condition, Field

Order = tuple[tuple[str, bool], ...]  #: names of fields, and whether each is descending
Row = tuple[Any, ...]  #: the sort values of a row, then its key


@dataclass(frozen=True, slots=True)
class Term:
    """An expression that rows are sorted by."""

    column: Column
    is_descending: bool

    def turned(self) -> "Term":
        """Return the term for the other direction."""
        return Term(self.column, not self.is_descending)


@dataclass(frozen=True, slots=True)
class Place:
    """The kind of a cursor: before or after an item, whose first sort value may be absent."""

    is_before: bool
    is_absent: bool


def keys_descend(order: Order, place: Place | None) -> bool:
    """Whether the keys of rows that are otherwise equal become smaller on the way to a page."""
    return (bool(order) and order[-1][1]) != (place is not None and place.is_before)


def values_at(columns: Sequence[Column]) -> list[ColumnElement[Any]]:
    """Return the parameters of a place, of the types of what they are compared with."""
    return [bindparam(f"at{number}", type_=column.type) for number, column in enumerate(columns)]


def terms_of(
    order: Order, fields: Sequence[Field], columns: Sequence[Column], place: Place | None, *, has_parts: bool = True
) -> list[Term]:
    """Return what rows are sorted by. Equal ones are sorted by their keys, in the direction of the last field.

    *has_parts* says that the rows with a first sort value, and those without, come from different selections.
    """
    terms = []
    for number, (_, is_descending) in enumerate(order):
        if fields[number].is_split and not (has_parts and number == 0):
            terms.append(Term(case((columns[number] == fields[number].absent, 1), else_=0), False))
        terms.append(Term(columns[number], is_descending))
    keys_descend = order[-1][1] if order else False
    terms += [Term(column, keys_descend) for column in columns[len(order) :]]
    return [term.turned() for term in terms] if place is not None and place.is_before else terms


def ordering(terms: Sequence[Term]) -> Iterator[Column]:
    """Yield the terms as a statement has them. Constants are left out: a database reads them as places of columns, or refuses them."""
    for term in terms:
        if not (isinstance(term.column, ColumnClause) and term.column.is_literal):
            yield term.column.desc() if term.is_descending else term.column.asc()


def comparable(value: Any) -> tuple[Any, ...]:
    """Return what Python compares in place of a stored value, so that values of all types compare as in SQLite: NULL, numbers, texts, bytes."""
    if value is None:
        return (0,)
    return (1 if isinstance(value, int | float) else 2 if isinstance(value, str) else 3, value)


def is_beyond(terms: Sequence[Term], at: Sequence[Term]) -> Condition:
    """Whether a row lies beyond a place. One comparison of tuples, which an index can answer, if all terms have one direction."""
    if len({term.is_descending for term in terms}) == 1:
        row, place = tuple_(*(term.column for term in terms)), tuple_(*(term.column for term in at))
        return row < place if terms[0].is_descending else row > place
    alternatives = []
    for number, (term, here) in enumerate(zip(terms, at, strict=True)):
        equal = [one.column == there.column for one, there in zip(terms[:number], at[:number], strict=True)]
        beyond = term.column < here.column if term.is_descending else term.column > here.column
        alternatives.append(and_(*equal, beyond))
    return or_(*alternatives)
