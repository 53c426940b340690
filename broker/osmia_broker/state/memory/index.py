"""Rows by a value that several of them may share."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Index(Generic[R]):
    """The living resident rows of a table by one value of theirs. Most values have one row.

    So a place holds a row itself while there was never a second, and rows by key from then on: a dictionary for a single row is as large as the row.
    """

    __slots__ = ("places", "value_of")

    def __init__(self, value_of: Callable[[Any], Any]) -> None:
        self.value_of = value_of  #: gives the value of a row
        #: A row, or rows by key, for each value that has any. Only to be read by others; always the same object.
        self.places: dict[Any, R | dict[int, R]] = {}

    def __contains__(self, value: object) -> bool:
        return value in self.places

    def __len__(self) -> int:
        return len(self.places)

    def items(self) -> Iterator[tuple[Any, list[R]]]:
        """Yield each value with its rows."""
        return ((value, self.rows(value)) for value in self.places)

    def rows(self, value: Any) -> list[R]:
        """Return the rows with this *value*, in order of their keys."""
        place = self.places.get(value)
        if place is None:
            return []
        return [place[key] for key in sorted(place)] if isinstance(place, dict) else [place]

    def first(self, value: Any) -> R | None:
        """Return the row with this *value* that has the lowest key; None if there is none."""
        place = self.places.get(value)
        return place[min(place)] if isinstance(place, dict) else place

    def between(self, value: Any, after: int, through: int, number: int | None = None) -> list[R]:
        """Return the rows with this *value* whose keys are above *after* and at most *through*, or the first *number*, in order of their keys."""
        place = self.places.get(value)
        if isinstance(place, dict):
            return [place[key] for key in sorted(key for key in place if after < key <= through)[:number]]
        return [row for row in self.rows(value)[:number] if after < row.key <= through]  # type: ignore[attr-defined]  # every row has

    def count(self, value: Any) -> int:
        """Return how many rows have this *value*."""
        place = self.places.get(value)
        return len(place) if isinstance(place, dict) else int(place is not None)

    def enter(self, row: Any) -> None:
        """Add a row."""
        enter_all((self,), row)

    def leave(self, row: Any) -> None:
        """Remove a row; a place without rows is removed, too."""
        leave_all((self,), row)


def enter_all(indexes: Iterable[Index[Any]], row: Any) -> None:
    """Add a row to several *indexes*; one call for all of a table, because rows come and go all the time."""
    for index in indexes:
        value = index.value_of(row)
        place = index.places.setdefault(value, row)
        if place is row:
            continue
        if isinstance(place, dict):
            place[row.key] = row
        else:
            index.places[value] = {place.key: place, row.key: row}


def leave_all(indexes: Iterable[Index[Any]], row: Any) -> None:
    """Remove a row from several *indexes*."""
    for index in indexes:
        places, value = index.places, index.value_of(row)
        place = places[value]
        if place is not row:
            assert isinstance(place, dict), "a place holds its only row, or rows by key"
            del place[row.key]
            if place:
                continue
        del places[value]
