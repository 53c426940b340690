"""Check that the books of all lanes balance, and that the broker's lists agree with them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from osmia_broker.loadtest.plan import Books

SHOWN = 5  # keys named in a fault; the count says how many there are


@dataclass(slots=True)
class Balance:
    """The result of the check. It holds when there is no fault."""

    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Return whether every acknowledged instance ended exactly once, and no other instance did."""
        return not self.faults

    def refuse(self, fault: str, keys: Iterable[int]) -> None:
        """Record *fault* with the *keys* that have it, if there are any."""
        found = sorted(keys)
        if found:
            more = ", …" if len(found) > SHOWN else ""
            self.faults.append(f"{len(found)} {fault}: {', '.join(map(str, found[:SHOWN]))}{more}")


def check(lanes: Iterable[Books], states: Mapping[int, str]) -> Balance:
    """Compare the answers that the lanes got with *states*, the state of each instance of the run in the broker's lists."""
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
