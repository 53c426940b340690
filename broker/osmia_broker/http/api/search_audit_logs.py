"""Searches for what was done by whom."""

from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.store.read.entities import AUDIT_LOGS

TAG = "Audit log"

serve_search(
    "/audit-logs/search", AUDIT_LOGS, name="search_audit_logs", tag=TAG, summary="Search what was done by whom."
)
serve_get("/audit-logs/{auditLogKey}", AUDIT_LOGS, name="get_audit_log", tag=TAG, noun="audit log entry")
