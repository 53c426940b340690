"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table and index."""
    op.create_table(
        "decision_requirements",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("decision_requirements_id", sa.Text(), nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("resource_name", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("deployment_key", INT64, nullable=False),
        sa.Column("deployed_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "decisions",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("decision_requirements_key", INT64, nullable=False),
        sa.Column("decision_requirements_id", sa.Text(), nullable=False),
        sa.Column("deployment_key", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "element_instances",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("process_definition_key", INT64, nullable=False),
        sa.Column("element_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("scope_key", INT64, nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column("started_ms", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "element_instances_of_instance",
        "element_instances",
        ["process_instance_key"],
        unique=False,
        sqlite_where=None,
        postgresql_where=None,
    )
    op.create_index(
        "process_instances",
        "element_instances",
        ["process_definition_key", "state"],
        unique=False,
        sqlite_where=sa.text("type = 'PROCESS'"),
        postgresql_where=sa.text("type = 'PROCESS'"),
    )
    op.create_table(
        "forms",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("form_id", sa.Text(), nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("resource_name", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("deployment_key", INT64, nullable=False),
        sa.Column("deployed_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "incidents",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("process_definition_key", INT64, nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("element_id", sa.Text(), nullable=False),
        sa.Column("job_key", INT64, nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_ms", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "incidents_of_instance",
        "incidents",
        ["process_instance_key"],
        unique=False,
        sqlite_where=None,
        postgresql_where=None,
    )
    op.create_index(
        "incidents_open",
        "incidents",
        ["process_definition_key"],
        unique=False,
        sqlite_where=sa.text("ended_ms = 0"),
        postgresql_where=sa.text("ended_ms = 0"),
    )
    op.create_table(
        "jobs",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("process_definition_key", INT64, nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("element_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("retries", INT64, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("deadline_ms", INT64, nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("created_ms", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "jobs_activatable",
        "jobs",
        ["type"],
        unique=False,
        sqlite_where=sa.text("state = 'ACTIVATABLE' AND ended_ms = 0"),
        postgresql_where=sa.text("state = 'ACTIVATABLE' AND ended_ms = 0"),
    )
    op.create_index(
        "jobs_due",
        "jobs",
        ["deadline_ms"],
        unique=False,
        sqlite_where=sa.text("deadline_ms > 0 AND ended_ms = 0"),
        postgresql_where=sa.text("deadline_ms > 0 AND ended_ms = 0"),
    )
    op.create_index(
        "jobs_of_instance", "jobs", ["process_instance_key"], unique=False, sqlite_where=None, postgresql_where=None
    )
    op.create_table(
        "partition",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("next_key", INT64, nullable=False),
        sa.Column("epoch", INT64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "process_definitions",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("bpmn_process_id", sa.Text(), nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version_tag", sa.Text(), nullable=False),
        sa.Column("resource_name", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("deployment_key", INT64, nullable=False),
        sa.Column("deployed_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "resources",
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("checksum"),
    )
    op.create_table(
        "variables",
        sa.Column("scope_key", INT64, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.PrimaryKeyConstraint("scope_key", "name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "waiting_tokens",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("scope_key", INT64, nullable=False),
        sa.Column("element_id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("started_ms", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "waiting_tokens_of_instance",
        "waiting_tokens",
        ["process_instance_key"],
        unique=False,
        sqlite_where=None,
        postgresql_where=None,
    )
