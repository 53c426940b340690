"""User tasks: their rows, their candidates, their history, and global task listeners."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()

Columns = tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]], ...]

#: The columns of each new table after its `key`.
KEYED: dict[str, Columns] = {
    "user_tasks": (
        ("process_instance_key", INT64),
        ("process_definition_key", INT64),
        ("element_instance_key", INT64),
        ("element_id", TEXT),
        ("job_key", INT64),
        ("name", TEXT),
        ("documentation", TEXT),
        ("category", TEXT),
        ("state", TEXT),
        ("assignee", TEXT),
        ("candidate_users", TEXT),
        ("candidate_groups", TEXT),
        ("due_date", TEXT),
        ("follow_up_date", TEXT),
        ("due_ms", INT64),
        ("follow_up_ms", INT64),
        ("priority", INT64),
        ("form_key", INT64),
        ("external_form", TEXT),
        ("headers", TEXT),
        ("created_ms", INT64),
        ("ended_ms", INT64),
    ),
    "task_transitions": (
        ("process_instance_key", INT64),
        ("element_instance_key", INT64),
        ("user_task_key", INT64),
        ("event", TEXT),
        ("operation", TEXT),
        ("action", TEXT),
        ("user", TEXT),
        ("changes", TEXT),
        ("variables", TEXT),
        ("listeners", TEXT),
        ("listeners_done", INT64),
        ("ended_ms", INT64),
    ),
    "task_events": (
        ("process_instance_key", INT64),
        ("user_task_key", INT64),
        ("operation", TEXT),
        ("action", TEXT),
        ("user", TEXT),
        ("changes", TEXT),
        ("at_ms", INT64),
    ),
    "task_comments": (
        ("process_instance_key", INT64),
        ("user_task_key", INT64),
        ("user", TEXT),
        ("text", TEXT),
        ("at_ms", INT64),
    ),
    "global_task_listeners": (
        ("id", TEXT),
        ("type", TEXT),
        ("event_types", TEXT),
        ("retries", INT64),
        ("after_model", INT64),
        ("priority", INT64),
        ("created_ms", INT64),
        ("deleted_ms", INT64),
    ),
}

#: All columns of each new table without a key, and its primary key.
SCOPED: dict[str, tuple[Columns, tuple[str, ...]]] = {
    "task_candidates": (
        (
            ("user_task_key", INT64),
            ("kind", TEXT),
            ("name", TEXT),
            ("process_instance_key", INT64),
            ("ended_ms", INT64),
        ),
        ("user_task_key", "kind", "name"),
    ),
    "task_drafts": (
        (
            ("user_task_key", INT64),
            ("user", TEXT),
            ("process_instance_key", INT64),
            ("content", TEXT),
            ("saved_ms", INT64),
        ),
        ("user_task_key", "user"),
    ),
}

#: (name, table, columns, condition) of each new index.
INDEXES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("user_tasks_of_instance", "user_tasks", ("process_instance_key", "ended_ms"), ""),
    ("task_transitions_of_instance", "task_transitions", ("process_instance_key", "ended_ms"), ""),
    ("task_candidates_open", "task_candidates", ("kind", "name", "user_task_key"), "ended_ms = 0"),
    ("task_events_of_task", "task_events", ("user_task_key",), ""),
    ("task_comments_of_task", "task_comments", ("user_task_key",), ""),
)


def upgrade() -> None:
    """Add the tables and their indexes."""
    for table, columns in KEYED.items():
        made = [sa.Column(name, type_, nullable=False) for name, type_ in columns]
        key = sa.Column("key", INT64, autoincrement=False, nullable=False)
        op.create_table(table, key, *made, sa.PrimaryKeyConstraint("key"))
    for table, (columns, primary_key) in SCOPED.items():
        made = [sa.Column(name, type_, autoincrement=False, nullable=False) for name, type_ in columns]
        op.create_table(table, *made, sa.PrimaryKeyConstraint(*primary_key), sqlite_with_rowid=False)
    for name, table, names, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, list(names), sqlite_where=condition, postgresql_where=condition)
