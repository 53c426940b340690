"""Indexes for searches, and the history of correlated messages."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()

#: (name, table, columns, condition) of each new index.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("message_correlations_of_instance", "message_correlations", ("process_instance_key", "subscription_key"), ""),
    ("task_candidates_by_name", "task_candidates", ("kind", "name", "ended_ms", "user_task_key"), ""),
    (
        "user_tasks_open",
        "user_tasks",
        (
            *("key", "state", "assignee", "priority", "due_ms", "follow_up_ms", "created_ms"),
            *("process_definition_key", "process_instance_key", "element_instance_key"),
            *("element_id", "name", "ended_ms"),
        ),
        "ended_ms = 0",
    ),
    ("user_tasks_by_assignee", "user_tasks", ("assignee", "ended_ms"), ""),
    ("user_tasks_by_completion", "user_tasks", ("ended_ms",), ""),
    ("user_tasks_by_creation", "user_tasks", ("created_ms",), "ended_ms = 0"),
    ("user_tasks_by_due_date", "user_tasks", ("due_ms",), "ended_ms = 0 AND due_ms <> 0"),
    ("user_tasks_by_follow_up_date", "user_tasks", ("follow_up_ms",), "ended_ms = 0 AND follow_up_ms <> 0"),
    ("user_tasks_by_priority", "user_tasks", ("priority", "due_ms"), "ended_ms = 0"),
    ("user_tasks_by_name", "user_tasks", ("name",), "ended_ms = 0"),
    ("process_instances_by_end", "element_instances", ("ended_ms",), "type = 'PROCESS'"),
    ("business_ids_by_id", "business_ids", ("business_id",), ""),
    ("called_by", "instance_origins", ("parent_process_instance_key",), "parent_process_instance_key <> 0"),
    ("instances_suspended", "instance_origins", ("process_instance_key",), "suspended_ms > 0"),
)


def upgrade() -> None:
    """Add the table and the indexes."""
    op.create_table(
        "message_correlations",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("process_definition_key", INT64, nullable=False),
        sa.Column("bpmn_process_id", TEXT, nullable=False),
        sa.Column("element_id", TEXT, nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("subscription_key", INT64, nullable=False),
        sa.Column("message_key", INT64, nullable=False),
        sa.Column("message_name", TEXT, nullable=False),
        sa.Column("correlation_key", TEXT, nullable=False),
        sa.Column("at_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.drop_index("task_candidates_open", "task_candidates")
    for name, table, names, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, list(names), sqlite_where=condition, postgresql_where=condition)
    op.create_index("variables_by_value", "variables", ["name", sa.text("substr(value, 1, 40)")])
