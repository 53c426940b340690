"""Events, called instances, loops, and marks of instances: their tables, and what older tables need for them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()

#: The columns of each new table after its `key`.
TABLES: dict[str, tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]], ...]] = {
    "timers": (
        ("process_instance_key", INT64),
        ("process_definition_key", INT64),
        ("element_instance_key", INT64),
        ("element_id", TEXT),
        ("due_ms", INT64),
        ("repetitions", INT64),
        ("cycle", TEXT),
        ("created_ms", INT64),
        ("ended_ms", INT64),
    ),
    "subscriptions": (
        ("process_instance_key", INT64),
        ("process_definition_key", INT64),
        ("element_instance_key", INT64),
        ("element_id", TEXT),
        ("bpmn_process_id", TEXT),
        ("kind", TEXT),
        ("name", TEXT),
        ("correlation_key", TEXT),
        ("created_ms", INT64),
        ("ended_ms", INT64),
    ),
    "messages": (
        ("process_instance_key", INT64),
        ("name", TEXT),
        ("correlation_key", TEXT),
        ("message_id", TEXT),
        ("variables", TEXT),
        ("business_id", TEXT),
        ("published_ms", INT64),
        ("expires_ms", INT64),
        ("correlated", TEXT),
        ("ended_ms", INT64),
    ),
    "instance_origins": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("bpmn_process_id", TEXT),
        ("parent_process_instance_key", INT64),
        ("parent_element_instance_key", INT64),
        ("root_process_instance_key", INT64),
        ("call_depth", INT64),
        ("correlation_key", TEXT),
        ("tags", TEXT),
        ("terminate_after", TEXT),
        ("suspended_ms", INT64),
        ("ended_ms", INT64),
    ),
    "business_ids": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("bpmn_process_id", TEXT),
        ("business_id", TEXT),
        ("ended_ms", INT64),
    ),
    "created_once": (
        ("process_instance_key", INT64),
        ("idempotency_key", TEXT),
        ("process_definition_key", INT64),
        ("bpmn_process_id", TEXT),
        ("version", INT64),
        ("created_process_instance_key", INT64),
        ("expires_ms", INT64),
        ("business_id", TEXT),
        ("tags", TEXT),
    ),
    "called_instances": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("called_process_instance_key", INT64),
        ("ended_ms", INT64),
    ),
    "loops": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("items", TEXT),
        ("size", INT64),
        ("started", INT64),
        ("completed", INT64),
        ("terminated", INT64),
        ("ended_ms", INT64),
    ),
    "loop_results": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("chunk", INT64),
        ("results", TEXT),
        ("ended_ms", INT64),
    ),
    "compensations": (
        ("process_instance_key", INT64),
        ("scope_key", INT64),
        ("place", INT64),
        ("element_id", TEXT),
        ("completed_key", INT64),
        ("handler_id", TEXT),
        ("variables", TEXT),
        ("thrower_key", INT64),
        ("handler_key", INT64),
        ("ended_ms", INT64),
    ),
    "start_subscriptions": (
        ("process_definition_key", INT64),
        ("bpmn_process_id", TEXT),
        ("element_id", TEXT),
        ("kind", TEXT),
        ("name", TEXT),
        ("timer_key", INT64),
        ("ended_ms", INT64),
    ),
}

#: (name, table, columns, condition) of each new index.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("timers_due", "timers", ("due_ms",), "due_ms > 0 AND ended_ms = 0"),
    ("timers_of_instance", "timers", ("process_instance_key", "ended_ms"), ""),
    (
        "subscriptions_by_kind_name_correlation_key",
        "subscriptions",
        ("kind", "name", "correlation_key"),
        "kind <> 'CONDITION' AND ended_ms = 0",
    ),
    ("subscriptions_of_instance", "subscriptions", ("process_instance_key", "ended_ms"), ""),
    ("messages_by_name_correlation_key", "messages", ("name", "correlation_key"), "ended_ms = 0"),
    (
        "messages_by_name_correlation_key_message_id",
        "messages",
        ("name", "correlation_key", "message_id"),
        "message_id <> '' AND ended_ms = 0",
    ),
    ("messages_due", "messages", ("expires_ms",), "expires_ms > 0 AND ended_ms = 0"),
    ("messages_of_instance", "messages", ("process_instance_key", "ended_ms"), ""),
    (
        "instance_origins_by_bpmn_process_id_correlation_key",
        "instance_origins",
        ("bpmn_process_id", "correlation_key"),
        "correlation_key <> '' AND ended_ms = 0",
    ),
    ("instance_origins_of_instance", "instance_origins", ("process_instance_key", "ended_ms"), ""),
    ("business_ids_by_bpmn_process_id_business_id", "business_ids", ("bpmn_process_id", "business_id"), "ended_ms = 0"),
    ("business_ids_of_instance", "business_ids", ("process_instance_key", "ended_ms"), ""),
    ("created_once_by_idempotency_key", "created_once", ("idempotency_key",), ""),
    ("created_once_due", "created_once", ("expires_ms",), "expires_ms > 0"),
    ("created_once_of_instance", "created_once", ("process_instance_key",), ""),
    ("called_instances_of_instance", "called_instances", ("process_instance_key", "ended_ms"), ""),
    ("loops_of_instance", "loops", ("process_instance_key", "ended_ms"), ""),
    ("loop_results_of_instance", "loop_results", ("process_instance_key", "ended_ms"), ""),
    ("compensations_of_instance", "compensations", ("process_instance_key", "ended_ms"), ""),
)

#: New columns of older tables, with the value that older rows get.
COLUMNS: dict[str, tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str], str], ...]] = {
    "element_instances": (
        ("loop_counter", INT64, "0"),
        ("listeners_done", INT64, "0"),
    ),
    "jobs": (
        ("kind", TEXT, "'BPMN_ELEMENT'"),
        ("listener_event", TEXT, "''"),
    ),
    "follow_ups": (("depth", INT64, "0"),),
    "process_definitions": (("deleted_ms", INT64, "0"),),
    "decision_requirements": (("deleted_ms", INT64, "0"),),
    "decisions": (
        ("deleted_ms", INT64, "0"),
        ("version_tag", TEXT, "''"),
    ),
    "forms": (
        ("deleted_ms", INT64, "0"),
        ("version_tag", TEXT, "''"),
    ),
}


def upgrade() -> None:
    """Add the tables and their indexes; make the older tables anew with their new columns."""
    for table, columns in TABLES.items():
        made = [sa.Column(name, type_, nullable=False) for name, type_ in columns]
        key = sa.Column("key", INT64, autoincrement=False, nullable=False)
        op.create_table(table, key, *made, sa.PrimaryKeyConstraint("key"))
    for name, table, names, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, list(names), sqlite_where=condition, postgresql_where=condition)
    for table, added in COLUMNS.items():
        for name, type_, value in added:
            op.add_column(table, sa.Column(name, type_, nullable=False, server_default=sa.text(value)))
        with op.batch_alter_table(table) as batch:  # rows written from now on name a value for every column
            for name, _, _ in added:
                batch.alter_column(name, server_default=None)
