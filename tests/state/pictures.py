"""What a state holds, as values that can be compared."""

from typing import Any

from osmia_broker.state.memory.index import Index
from osmia_broker.state.state import State


def keys_of(index: Index[Any]) -> dict[Any, list[int]]:
    return {value: [row.key for row in rows] for value, rows in index.items()}


def picture_of(state: State) -> dict[str, Any]:
    """All rows in memory and all indexes of them, as values."""
    tables = state.tables.values()
    starts = state.start_subscriptions
    return {
        "rows": [{key: repr(row) for key, row in table._rows.items()} for table in tables],
        "by instance": [keys_of(table._by_instance) for table in tables],
        "look-ups": [{name: keys_of(index) for name, index in table._lookups.items()} for table in tables],
        "changed": [{key: repr(row) for key, row in table.changed.items()} for table in tables],
        "deleted": [sorted(table.deleted) for table in tables],
        "joins": {
            place: {flow: sorted(keys) for flow, keys in flows.items()} for place, flows in state.tokens._joins.items()
        },
        "variables": {
            scope: {name: row.value for name, row in rows.items()} for scope, rows in state.variables.scopes.items()
        },
        "changed variables": sorted(state.variables.changed),
        "text of variables": dict(state.variables.text),
        "windows": {
            lane: sorted(window._members)
            for lanes in state.jobs.windows._by_type.values()
            for lane, window in lanes.items()
        },
        "flow": {key: repr(row) for key, row in state.jobs.flow._rows.items()},
        "changed flow": sorted(state.jobs.flow.changed),
        "held": dict(state.jobs.flow.held),
        "paused": (sorted(state.jobs.flow.paused_definitions), sorted(state.jobs.flow.types)),
        "sizes": dict(state.residency.sizes),
        "bytes": state.residency.total_bytes,
        "next key": state._next_key,
        "awaited": sorted(state.awaited.tickets()),
        "matches": [{columns: keys_of(index) for columns, index in table._matches.items()} for table in tables],
        "terminating": sorted(state.elements.terminating),
        "start subscriptions": keys_of(starts._by_name),
        "start subscriptions by definition": keys_of(starts._by_definition),
        "changed start subscriptions": {key: repr(row) for key, row in starts.changed.items()},
        "definitions": {
            kind: {key: repr(row) for key, row in table._rows.items()}
            for kind, table in state.definitions.tables().items()
        },
        "changed definitions": {kind: sorted(table.changed) for kind, table in state.definitions.tables().items()},
    }
