"""Find the name that a misspelt one was meant to be: by its edits where a mistake is refused, by its looks for a hint."""

from collections.abc import Iterable
from difflib import get_close_matches

COMPARED_CHARACTERS = 100  # of a name that is looked for among those that it looks like


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


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return the one of the *known* names that *name* looks most like, for a hint; empty if none is as like as *likeness* (0 to 1)."""
    near = get_close_matches(name[:COMPARED_CHARACTERS], [*known], n=1, cutoff=likeness)
    return near[0] if near else ""


def did_you_mean(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return `; did you mean 'stock'?`, the end of a refusal of *name*; empty if none of the *known* names is like it."""
    near = nearest(name, known, likeness=likeness)
    return f"; did you mean '{near}'?" if near else ""
