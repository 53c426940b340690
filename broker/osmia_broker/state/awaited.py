"""The callers who wait for the result of a process instance. Not stored: a caller does not outlive its connection.

A caller is known by a ticket, whose upper bits name the process of the broker that has given it out (0 if there is only one).
"""

from collections.abc import Iterable

TICKET_SHIFT = 48


def process_of(ticket: int) -> int:
    """Return the process that has given out a ticket."""
    return ticket >> TICKET_SHIFT


class Awaited:
    """Tickets of waiting callers, by process instance and the other way round. Several may wait for one instance.

    A caller whose result has been decided still waits until that is committed: the commit may fail, and the result be decided again.
    """

    __slots__ = ("_by_instance", "_by_ticket", "_decided")

    def __init__(self) -> None:
        self._by_instance: dict[int, dict[int, tuple[str, ...]]] = {}
        self._by_ticket: dict[int, int] = {}
        self._decided: dict[int, tuple[int, tuple[str, ...]]] = {}  # (instance, names) by ticket

    def add(self, process_instance_key: int, ticket: int, names: tuple[str, ...]) -> None:
        """Let the caller with *ticket* wait for the variables *names* (all if empty) of an instance."""
        self._decided.pop(ticket, None)
        self._by_instance.setdefault(process_instance_key, {})[ticket] = names
        self._by_ticket[ticket] = process_instance_key

    def pop(self, process_instance_key: int) -> dict[int, tuple[str, ...]]:
        """Remove and return the callers who wait for an instance, because it is decided what they get: the names by ticket."""
        if process_instance_key not in self._by_instance:
            return {}
        waiting = self._by_instance.pop(process_instance_key)
        for ticket, names in waiting.items():
            del self._by_ticket[ticket]
            self._decided[ticket] = process_instance_key, names
        return waiting

    def given(self, tickets: Iterable[int]) -> None:
        """Forget callers who get their result now: it is committed."""
        for ticket in tickets:
            self._decided.pop(ticket, None)

    def forget(self, ticket: int) -> None:
        """Remove a caller who waits no longer; unknown tickets are passed over."""
        self._decided.pop(ticket, None)
        process_instance_key = self._by_ticket.pop(ticket, None)
        if process_instance_key is None:
            return
        waiting = self._by_instance[process_instance_key]
        del waiting[ticket]
        if not waiting:
            del self._by_instance[process_instance_key]

    def tickets(self) -> list[int]:
        """Return the tickets of all callers who have no result yet."""
        return [*self._by_ticket, *self._decided]

    def before(self, key: int) -> "Awaited":
        """Return a copy with the callers who wait for instances with keys below *key*, as they waited before anything was decided."""
        kept = Awaited()
        for ticket, process_instance_key in self._by_ticket.items():
            if process_instance_key < key:
                kept.add(process_instance_key, ticket, self._by_instance[process_instance_key][ticket])
        for ticket, (process_instance_key, names) in self._decided.items():
            if process_instance_key < key:
                kept.add(process_instance_key, ticket, names)
        return kept

    def __len__(self) -> int:
        return len(self._by_ticket)
