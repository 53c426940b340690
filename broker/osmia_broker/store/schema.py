"""The stored tables: one per row class of `state/rows.py`, columns in the order of its fields, and the partition's own row.

Every column is NOT NULL; what a row does not have is 0 or empty, as in its dataclass. `changes` marks the columns that are set again
after a row was inserted; all others stay as they were. Each index says whom it serves,
because every one is paid for in every commit.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TextClause,
    text,
)
from sqlalchemy.types import TypeEngine

from osmia_broker.state import rows

metadata = MetaData()

#: A 64-bit integer. SQLite makes a primary key its row id, and so saves an index, only where the type says INTEGER.
Int64 = BigInteger().with_variant(Integer(), "sqlite")


def _key(name: str = "key") -> Column[int]:
    return Column(name, Int64, primary_key=True, autoincrement=False)


def _int(name: str, type_: TypeEngine[int] = Int64, *, changes: bool = False) -> Column[int]:
    return Column(name, type_, nullable=False, info={"changes": changes})


def _text(name: str, *, primary_key: bool = False, changes: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, primary_key=primary_key, info={"changes": changes})


partition = Table(
    "partition",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    _int("next_key"),  # the counter after the last commit
    _int("epoch"),  # grows with each opening; a commit that names an older one is refused
)

element_instances = Table(
    "element_instances",
    metadata,
    _key(),
    _int("process_instance_key"),
    _int("process_definition_key"),
    _text("element_id"),
    _text("type"),
    _text("state", changes=True),
    _int("scope_key"),
    _text("entered_by"),
    _int("started_ms"),
    _int("ended_ms", changes=True),
)

waiting_tokens = Table(
    "waiting_tokens",
    metadata,
    _key(),
    _int("process_instance_key"),
    _int("scope_key"),
    _text("element_id"),
    _text("flow_id"),
    _int("started_ms"),
    _int("ended_ms", changes=True),
)

jobs = Table(
    "jobs",
    metadata,
    _key(),
    _int("process_instance_key"),
    _int("process_definition_key"),
    _int("element_instance_key"),
    _text("element_id"),
    _text("type"),
    _text("state", changes=True),
    _int("retries", changes=True),
    _text("worker", changes=True),
    _int("deadline_ms", changes=True),
    _text("headers"),
    _text("error_message", changes=True),
    _text("error_code", changes=True),
    _int("created_ms"),
    _int("ended_ms", changes=True),
)

variables = Table(
    "variables",
    metadata,
    _key("scope_key"),
    _text("name", primary_key=True),
    _text("value", changes=True),
    _int("process_instance_key"),
    sqlite_with_rowid=False,
)

incidents = Table(
    "incidents",
    metadata,
    _key(),
    _int("process_instance_key"),
    _int("process_definition_key"),
    _int("element_instance_key"),
    _text("element_id"),
    _int("job_key"),
    _text("error_type"),
    _text("message"),
    _int("created_ms"),
    _int("ended_ms", changes=True),
)

process_definitions = Table(
    "process_definitions",
    metadata,
    _key(),
    _text("bpmn_process_id"),
    _int("version"),
    _text("name"),
    _text("version_tag"),
    _text("resource_name"),
    _text("checksum"),
    _int("deployment_key"),
    _int("deployed_ms"),
)

decision_requirements = Table(
    "decision_requirements",
    metadata,
    _key(),
    _text("decision_requirements_id"),
    _int("version"),
    _text("name"),
    _text("resource_name"),
    _text("checksum"),
    _int("deployment_key"),
    _int("deployed_ms"),
)

decisions = Table(
    "decisions",
    metadata,
    _key(),
    _text("decision_id"),
    _int("version"),
    _text("name"),
    _int("decision_requirements_key"),
    _text("decision_requirements_id"),
    _int("deployment_key"),
)

forms = Table(
    "forms",
    metadata,
    _key(),
    _text("form_id"),
    _int("version"),
    _text("resource_name"),
    _text("checksum"),
    _int("deployment_key"),
    _int("deployed_ms"),
)

resources = Table(
    "resources",
    metadata,
    _text("checksum", primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

TABLES: dict[type[rows.Row], Table] = {
    rows.ElementInstance: element_instances,
    rows.WaitingToken: waiting_tokens,
    rows.Job: jobs,
    rows.Variable: variables,
    rows.Incident: incidents,
    rows.ProcessDefinition: process_definitions,
    rows.DecisionRequirements: decision_requirements,
    rows.Decision: decisions,
    rows.Form: forms,
    rows.Resource: resources,
}


def _index(name: str, *columns: Column[int] | Column[str], where: str = "") -> Index:
    """An index, partial where *where* says so. A query uses it only if it repeats that condition word for word."""
    condition = text(where) if where else None
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


# Loading an instance. Full, not partial on ended_ms = 0: so the end of a row changes no index.
_index("element_instances_of_instance", element_instances.c.process_instance_key)
_index("waiting_tokens_of_instance", waiting_tokens.c.process_instance_key)
_index("jobs_of_instance", jobs.c.process_instance_key)
_index("incidents_of_instance", incidents.c.process_instance_key)

# Listing process instances by definition and state, newest first (the row id ends every index).
_index(
    "process_instances",
    element_instances.c.process_definition_key,
    element_instances.c.state,
    where="type = 'PROCESS'",
)

# The window of activatable jobs, oldest first. A job that is created and handed out in one batch never enters it.
_index("jobs_activatable", jobs.c.type, where="state = 'ACTIVATABLE' AND ended_ms = 0")

# Jobs whose lease or back-off comes to its end.
_index("jobs_due", jobs.c.deadline_ms, where="deadline_ms > 0 AND ended_ms = 0")

# Open incidents, oldest first; there are few.
_index("incidents_open", incidents.c.process_definition_key, where="ended_ms = 0")

# Literals that the conditions of the partial indexes repeat word for word; a bound parameter would not match them.
NOT_ENDED: TextClause = text("0")
NO_DEADLINE: TextClause = text("0")
ACTIVATABLE: TextClause = text("'ACTIVATABLE'")
PROCESS: TextClause = text("'PROCESS'")
