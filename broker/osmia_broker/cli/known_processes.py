"""Find a deployed process by its key or id, and the nearest one to an id that no process has."""

from itertools import islice
from typing import TYPE_CHECKING

from osmia_broker.base.edits import nearest
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.rows import every

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import ProcessDefinition

KNOWN_MAX = 1_000  # processes among which the nearest is looked for


def missing_process(client: "SyncClient", process: str) -> str:
    """Return why a list with the filter *process* is empty: no such process is deployed. Empty if it is, or if it is not given."""
    if not process or client.search_definitions(bpmn_process_id=process, limit=1).items:
        return ""
    near = nearest(process, _known(client))
    return f"There is no process '{process}'. " + (f"Did you mean '{near}'?" if near else "See: osmia processes")


def find_process(client: "SyncClient", key_or_id: str, command: str = "osmia process show {}") -> "ProcessDefinition":
    """Return the definition with this key, or the latest version of the process with this id. A deleted one is found while it drains.

    *command* has a place for the nearest process id.

    Raises:
        Failure: NOT_FOUND, with the nearest process id.
    """
    key = whole_number(key_or_id)
    if key is not None:
        found = client.search_definitions(key=key, with_draining=True).items
    else:
        found = client.search_definitions(bpmn_process_id=key_or_id, latest_only=True, with_draining=True).items
        found.sort(key=lambda one: (one.deleted_ms == 0, one.version), reverse=True)
    if found:
        return found[0]
    failure = unknown_process(client, key_or_id, command)
    if key is not None:
        failure.what = f"There is no version of a process with key {key}."
        failure.mend = "osmia processes --all   (it lists the keys of all versions)"
    raise failure


def unknown_process(client: "SyncClient", process_id: str, command: str, *, why: str = "") -> Failure:
    """Return the failure for a process that is not deployed. *command* has a place for the nearest one that is."""
    known = _known(client)
    near = nearest(process_id, known)
    mend = command.format(near) if near else "osmia processes" if known else "osmia deploy FILE"
    return Failure(Exit.NOT_FOUND, f"There is no such process '{process_id}'.", why=why, mend=mend, code="NOT_FOUND")


def _known(client: "SyncClient") -> list[str]:
    """Return the ids of deployed processes."""
    found = islice(every(client.search_definitions, latest_only=True), KNOWN_MAX)
    return sorted({one.bpmn_process_id for one in found})
