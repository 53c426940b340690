"""The books of all lanes brought together: whether they balance, and whether the broker tells the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from osmia_broker.loadtest.plan import Books

SHOWN = 5  # keys named in a fault; the count says how many there are


@dataclass(slots=True)
class Balance:
    """What the check found. It holds when there is no fault."""

    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Every acknowledged instance ended exactly once, and nothing else did."""
        return not self.faults

    def refuse(self, fault: str, keys: Iterable[int]) -> None:
        """Note *fault* if any of *keys* has it."""
        found = sorted(keys)
        if found:
            more = ", …" if len(found) > SHOWN else ""
            self.faults.append(f"{len(found)} {fault}: {', '.join(map(str, found[:SHOWN]))}{more}")


def check(lanes: Iterable[Books], states: Mapping[int, str]) -> Balance:
    """Compare what the lanes were told with *states*, the state of each instance of the run as the broker lists it now."""
    lanes = list(lanes)
    balance = Balance()
    created = Counter(key for books in lanes for key in books.created)
    completed = Counter(key for books in lanes for key in books.completed)
    unknown = sum(books.unknown_creates for books in lanes)
    balance.refuse("instance keys were given out twice", (key for key, times in created.items() if times > 1))
    balance.refuse("instances were completed twice", (key for key, times in completed.items() if times > 1))
    balance.refuse("acknowledged instances were not completed", created.keys() - completed.keys())
    balance.refuse("acknowledged instances are not listed by the broker", created.keys() - states.keys())
    balance.refuse(
        "completed instances are not COMPLETED in the broker's list",
        (key for key in completed if states.get(key, "COMPLETED") != "COMPLETED"),
    )
    strangers = (completed.keys() | states.keys()) - created.keys()
    if len(strangers) > unknown:  # a create without an answer may have taken effect
        balance.refuse("instances exist whose creation was not acknowledged", strangers)
    twice = sum(books.twice for books in lanes)
    if twice:
        balance.faults.append(f"{twice} jobs were handed out again while they were held")
    return balance
