"""Rows by a value that several of them may share."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Index(Generic[R]):
    """The living resident rows of a table by one value of theirs. Most values have one row.

    So a place holds a row itself while there was never a second, and rows by key from then on: a dictionary for a single row is as large as the row.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[Any, R | dict[int, R]] = {}

    def __contains__(self, value: object) -> bool:
        return value in self._places

    def __len__(self) -> int:
        return len(self._places)

    def items(self) -> Iterator[tuple[Any, list[R]]]:
        """Yield each value with its rows."""
        return ((value, self.rows(value)) for value in self._places)

    def rows(self, value: Any) -> list[R]:
        """Return the rows with this *value*, in order of their keys."""
        place = self._places.get(value)
        if place is None:
            return []
        return [place[key] for key in sorted(place)] if isinstance(place, dict) else [place]

    def first(self, value: Any) -> R | None:
        """Return the row with this *value* that has the lowest key; None if there is none."""
        place = self._places.get(value)
        return place[min(place)] if isinstance(place, dict) else place

    def between(self, value: Any, after: int, through: int, number: int | None = None) -> list[R]:
        """Return the rows with this *value* whose keys are above *after* and at most *through*, or the first *number*, in order of their keys."""
        place = self._places.get(value)
        if isinstance(place, dict):
            return [place[key] for key in sorted(key for key in place if after < key <= through)[:number]]
        return [row for row in self.rows(value)[:number] if after < row.key <= through]  # type: ignore[attr-defined]  # every row has

    def count(self, value: Any) -> int:
        """Return how many rows have this *value*."""
        place = self._places.get(value)
        return len(place) if isinstance(place, dict) else int(place is not None)

    def enter(self, value: Any, row: Any) -> None:
        """Add a row with this *value*."""
        place = self._places.setdefault(value, row)
        if place is row:
            return
        if isinstance(place, dict):
            place[row.key] = row
        else:
            self._places[value] = {place.key: place, row.key: row}  # type: ignore[attr-defined]

    def leave(self, value: Any, row: Any) -> None:
        """Remove a row with this *value*; a place without rows is removed, too."""
        place = self._places[value]
        if place is not row:
            assert isinstance(place, dict), "a place holds its only row, or rows by key"
            del place[row.key]
            if place:
                return
        del self._places[value]
