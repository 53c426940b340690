"""The callers who wait for the result of a process instance. Not stored: a caller does not outlive its connection.

A caller is known by a ticket, whose upper bits name the process of the broker that has given it out (0 if there is only one).
"""

TICKET_SHIFT = 48


def process_of(ticket: int) -> int:
    """Return the process that has given out a ticket."""
    return ticket >> TICKET_SHIFT


class Awaited:
    """Tickets of waiting callers, by process instance and the other way round. Several may wait for one instance."""

    __slots__ = ("_by_instance", "_by_ticket")

    def __init__(self) -> None:
        self._by_instance: dict[int, dict[int, tuple[str, ...]]] = {}
        self._by_ticket: dict[int, int] = {}

    def add(self, process_instance_key: int, ticket: int, names: tuple[str, ...]) -> None:
        """Let the caller with *ticket* wait for the variables *names* (all if empty) of an instance."""
        self._by_instance.setdefault(process_instance_key, {})[ticket] = names
        self._by_ticket[ticket] = process_instance_key

    def pop(self, process_instance_key: int) -> dict[int, tuple[str, ...]]:
        """Remove and return the callers who wait for an instance: the names by ticket."""
        if process_instance_key not in self._by_instance:
            return {}
        waiting = self._by_instance.pop(process_instance_key)
        for ticket in waiting:
            del self._by_ticket[ticket]
        return waiting

    def forget(self, ticket: int) -> None:
        """Remove a caller who waits no longer; unknown tickets are passed over."""
        process_instance_key = self._by_ticket.pop(ticket, None)
        if process_instance_key is None:
            return
        waiting = self._by_instance[process_instance_key]
        del waiting[ticket]
        if not waiting:
            del self._by_instance[process_instance_key]

    def tickets(self) -> list[int]:
        """Return the tickets of all waiting callers."""
        return list(self._by_ticket)

    def before(self, key: int) -> "Awaited":
        """Return a copy with the callers who wait for instances with keys below *key*."""
        kept = Awaited()
        for ticket, process_instance_key in self._by_ticket.items():
            if process_instance_key < key:
                kept.add(process_instance_key, ticket, self._by_instance[process_instance_key][ticket])
        return kept

    def __len__(self) -> int:
        return len(self._by_ticket)
