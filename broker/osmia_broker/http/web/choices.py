"""Name the processes that a person chooses from, so that two of the same name are told apart."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """A process in a list to choose from."""

    id: str
    name: str


def told_apart(processes: Iterable[tuple[str, str]]) -> list[Choice]:
    """Return choices for pairs of id and name, by name. Names that several have are followed by the id."""
    pairs = sorted(processes, key=lambda pair: (pair[1].lower(), pair[0]))
    times = Counter(name for _, name in pairs)
    return [Choice(id, f"{name} ({id})" if times[name] > 1 else name) for id, name in pairs]
