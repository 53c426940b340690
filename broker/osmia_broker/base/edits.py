"""Measure the distance of two words, for hints on misspelt ones."""

from collections.abc import Iterable


def edits(one: str, other: str) -> int:
    """Count the letters to insert, remove, replace or swap with a neighbour that make *one* into *other*."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted)))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]


def misspelt(name: str, known: Iterable[str]) -> str:
    """Return the one of the *known* names that *name* is a misspelling of; empty when it is near none.

    One edit is allowed for four letters: HOME is not meant to be HOST, GRPC_PROT is meant to be GRPC_PORT. The same words in
    another order count as a misspelling, too.
    """
    words = sorted(name.split("_"))
    distances = {one: 0 if sorted(one.split("_")) == words else edits(name, one) for one in known}
    nearest = min(distances, key=lambda one: distances[one])
    return nearest if distances[nearest] <= max(1, len(nearest) // 4) else ""
