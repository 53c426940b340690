"""Searches for what was done by whom. Entries about user tasks are for those who may read the task."""

from typing import Any

from osmia_broker.http.api.search_user_tasks import readable
from osmia_broker.http.operation import Call
from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.store.read.entities import AUDIT_LOGS
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import get

TAG = "Audit log"


async def _readable(call: Call, _values: dict[str, int]) -> dict[str, Any]:
    return readable(call).log_scope


async def _item(call: Call, key: int) -> Item:
    item = await get(call.reader, AUDIT_LOGS, key, "audit log entry")
    if item["userTaskKey"]:
        await readable(call).require(int(item["userTaskKey"]), "read the history of")
    return item


serve_search(
    "/audit-logs/search",
    AUDIT_LOGS,
    name="search_audit_logs",
    tag=TAG,
    summary="Search what was done by whom.",
    sees=_readable,
)
serve_get("/audit-logs/{auditLogKey}", AUDIT_LOGS, name="get_audit_log", tag=TAG, noun="audit log entry", find=_item)
