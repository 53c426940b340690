"""Searches for what was done by whom."""

from osmia_broker.http.searching import serve_get, serve_search

TAG = "Audit log"

serve_search("/audit-logs/search", name="search_audit_logs", tag=TAG, summary="Search what was done by whom.")
serve_get("/audit-logs/{auditLogKey}", name="get_audit_log", tag=TAG)
