"""`/actuator/cluster`: empty a broker under test, as Camunda's tools for tests of processes do between two tests.

It is there only while the setting `purge_allowed` allows it. Of the reference broker's cluster API it has what such a tool asks for.
"""

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qs

from osmia_broker.calls.purge import Change, Purge

PATH = "/actuator/cluster"
PURGE = f"{PATH}/purge"
_CHANGE = re.compile(rf"{PATH}/changes/(\d{{1,18}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Answer = tuple[HTTPStatus, dict[str, object]]


def methods_of(path: str) -> str:
    """Return the methods that *path* answers; empty if it is no path of this endpoint."""
    if path == PURGE:
        return "POST"
    return "GET, HEAD" if path == PATH or _CHANGE.fullmatch(path) else ""


def answer(purge: Purge, path: str, query: str, partitions: list[int]) -> Answer:
    """Do what a request asks. *partitions* are the ids of those that take commands now."""
    if path == PURGE:
        is_dry = parse_qs(query).get("dryRun", [""])[-1].lower() == "true"
        change_id = purge.next_id if is_dry else purge.begin().id
        brokers = _brokers(partitions)
        operations = [{"operation": "PURGE", "partitionId": id} for id in partitions]
        body = {"changeId": change_id, "currentTopology": brokers, "plannedChanges": operations}
        return HTTPStatus.ACCEPTED, {**body, "expectedTopology": brokers}
    if path == PATH:
        last = purge.last
        name = "pendingChange" if last and last.status == "IN_PROGRESS" else "lastChange"
        topology: dict[str, object] = {"version": purge.next_id, "brokers": _brokers(partitions)}
        return HTTPStatus.OK, topology | ({name: _shown(last)} if last else {})
    match = _CHANGE.fullmatch(path)
    asked = int(match[1]) if match else 0
    if purge.last is None or purge.last.id != asked:
        found = "none" if purge.last is None else str(purge.last.id)
        return HTTPStatus.NOT_FOUND, {
            "error": f"Expected the id of the last purge, which is {found}, but found {asked}"
        }
    return HTTPStatus.OK, _shown(purge.last)


def _brokers(partitions: list[int]) -> list[dict[str, object]]:
    return [
        {
            "id": 0,
            "state": "ACTIVE",
            "partitions": [{"id": id, "state": "ACTIVE", "role": "leader"} for id in partitions],
        }
    ]


def _shown(change: Change) -> dict[str, object]:
    ended = {"completedAt": _moment(change.ended_ms)} if change.ended_ms else {}
    return {"id": change.id, "status": change.status, "startedAt": _moment(change.started_ms), **ended}


def _moment(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
