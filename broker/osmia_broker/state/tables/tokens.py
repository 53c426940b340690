"""Tokens that wait at joining gateways, found by gateway and flow."""

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import WaitingToken

Waiting = dict[str, dict[int, WaitingToken]]  #: by sequence flow, then by key


class TokenTable(Table[WaitingToken]):
    """The resident living tokens at joins."""

    __slots__ = ("_joins",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(WaitingToken, journal, residency, deadlines)
        self._joins: dict[tuple[int, str], Waiting] = {}

    def flows_arrived(self, scope_key: int, element_id: str) -> int:
        """Return over how many different flows tokens wait at a gateway of a scope."""
        return len(self._joins.get((scope_key, element_id), ()))

    def oldest_of_each_flow(self, scope_key: int, element_id: str) -> list[WaitingToken]:
        """Return the oldest token of each flow that arrived at a gateway of a scope."""
        return [tokens[min(tokens)] for tokens in self._joins.get((scope_key, element_id), {}).values()]

    def _entered(self, row: WaitingToken) -> None:
        waiting = self._joins.setdefault((row.scope_key, row.element_id), {})
        waiting.setdefault(row.flow_id, {})[row.key] = row

    def _left(self, row: WaitingToken) -> None:
        place = (row.scope_key, row.element_id)
        waiting = self._joins[place]
        tokens = waiting[row.flow_id]
        del tokens[row.key]
        if not tokens:
            del waiting[row.flow_id]
            if not waiting:
                del self._joins[place]
