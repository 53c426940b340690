"""The stored tables, made from the row classes of `state/rows/`, and the partition's own row.

Every column is NOT NULL; a value that a row does not have is 0 or empty, as in its dataclass. The mark `changes` of a column says that
it may be set again after its row was inserted. Two kinds of index follow from the declaration of a row class as well: rows by their
process instance, and rows by the time at which they become due. All other indexes are written by hand. Each says whom it serves,
because every one is paid for in every commit.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
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
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from osmia_broker.state import rows
from osmia_broker.state.rows import DUE_KINDS, INSTANCE_KINDS, DecisionEvaluation
from osmia_broker.state.rows.batches import BatchItem, BatchOperation
from osmia_broker.state.rows.history import AuditEntry, MessageCorrelation
from osmia_broker.state.rows.kinds import KINDS, Kind
from osmia_broker.state.rows.tasks import TaskCandidate, TaskComment, TaskEvent, TaskProposal, UserTask

metadata = MetaData()

#: A 64-bit integer. SQLite makes a primary key its row id, and so saves an index, only where the type says INTEGER.
Int64 = BigInteger().with_variant(Integer(), "sqlite")

#: A text that is compared by its code points, as SQLite does. A database of PostgreSQL may have rules of a language instead.
String = Text().with_variant(Text(collation="C"), "postgresql")

#: The column type for each type of a value.
COLUMN_TYPES: dict[type, TypeEngine[int] | TypeEngine[str] | TypeEngine[bytes]] = {
    int: Int64,
    str: String,
    bytes: LargeBinary(),
}


def _value_type(annotation: Any) -> type:
    """Return the type of a stored value; an enum is stored as its text."""
    return str if issubclass(annotation, StrEnum) else annotation


#: The types of the stored values of a row class, in the order of its columns.
VALUE_TYPES: dict[type, tuple[type, ...]] = {
    row_type: tuple(map(_value_type, kind.types)) for row_type, kind in KINDS.items()
}

# Literals that the conditions of the partial indexes repeat word for word; a bound parameter would not match them.
NOT_ENDED: TextClause = text("0")
NO_DEADLINE: TextClause = text("0")
PROCESS: TextClause = text("'PROCESS'")

ACTIVATABLE: TextClause = text("'ACTIVATABLE'")

#: The conditions of the three indexes of activatable jobs, of which each job is in one. Nearly all are plain.
PLAIN = "state = 'ACTIVATABLE' AND ended_ms = 0 AND lease_token = '' AND priority = 0 AND fair_key = ''"
RANKED = "state = 'ACTIVATABLE' AND ended_ms = 0 AND lease_token = '' AND (priority <> 0 OR fair_key <> '')"
LEASED = "state = 'ACTIVATABLE' AND ended_ms = 0 AND lease_token <> ''"
WAITING = (PLAIN, RANKED, LEASED)


def _table(kind: Kind) -> Table:
    """Make the table of a row class, with its columns in the order of the fields."""
    columns = (
        Column(
            name,
            COLUMN_TYPES[type_],
            primary_key=name in kind.primary_key,
            autoincrement=False,
            nullable=False,
            info={"changes": name in kind.changing},
        )
        for name, type_ in zip(kind.columns, VALUE_TYPES[kind.row_type], strict=True)
    )
    # Without row ids, the rows lie in the order of a primary key of several columns, and that key needs no index of its own.
    return Table(kind.table, metadata, *columns, sqlite_with_rowid=len(kind.primary_key) == 1)


def _index(name: str, *columns: ColumnElement[Any], where: str = "") -> Index:
    """Make an index, a partial one if *where* is given. A query uses that only if it repeats the condition word for word.

    `postgres/dialect.py` gives the condition to PostgreSQL: SQLAlchemy would import all of that dialect to take it here.
    """
    return Index(name, *columns, sqlite_where=text(where) if where else None)


partition = Table(
    "partition",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("next_key", Int64, nullable=False),  # the counter after the last commit
    Column("epoch", Int64, nullable=False),  # grows with each opening; a commit that names an older one is refused
    # The next three are used on PostgreSQL, where several brokers can reach one database (`postgres/lease.py`).
    Column("batch", Int64, nullable=False),  # the number of the last commit
    Column("owner", String, nullable=False),  # the broker that leads; empty for none
    Column("incarnation", Int64, nullable=False),  # … and which life of it
)

#: The brokers that have used the database; empty on SQLite.
brokers = Table(
    "brokers",
    metadata,
    Column("id", String, primary_key=True),
    Column("incarnation", Int64, nullable=False),  # grows with each start of the broker
    Column("address", String, nullable=False),  # HOST:PORT of its gRPC door; empty while it starts
    Column("beat", Int64, nullable=False),  # grows every second while the broker lives
    # The next two are used by brokers that lead a part of the partitions each (`postgres/sharing.py`).
    Column("process", Int64, nullable=False, server_default=text("0")),  # its number among them; 0 for none
    # HOST:PORT at which it takes links; empty for none.
    Column("links", String, nullable=False, server_default=text("''")),
)

#: The cluster that has this database, in one row; empty on SQLite, where a file has the id.
cluster = Table("cluster", metadata, Column("id", String, primary_key=True))

TABLES: dict[type, Table] = {row_type: _table(kind) for row_type, kind in KINDS.items()}

element_instances = TABLES[rows.ElementInstance]
jobs = TABLES[rows.Job]
variables = TABLES[rows.Variable]
incidents = TABLES[rows.Incident]
messages = TABLES[rows.Message]
process_definitions = TABLES[rows.ProcessDefinition]
resources = TABLES[rows.Resource]

#: Instance kinds whose rows have a key of their own. The others live in a scope, as long as it does, and their primary key begins with it.
KEYED_KINDS: tuple[Kind, ...] = tuple(kind for kind in INSTANCE_KINDS if kind.primary_key == ("key",))
SCOPED_KINDS: tuple[Kind, ...] = tuple(kind for kind in INSTANCE_KINDS if kind.primary_key[0] == "scope_key")
HISTORY_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.is_history)

# A process instance has few incidents in its life. With `ended_ms` in their index, SQLite would read it whole for a list of open ones.
_FEW_IN_ALL = frozenset({rows.Incident})

for _kind in KEYED_KINDS:
    # Loading a process instance, and listing its rows. With `ended_ms`, a load passes over the ended rows of an instance that has run
    # for long; the lists find them by the first column. Measured per user-task cycle at 64 in a commit: 66.7 µs of the writer and
    # 697 bytes, against 66.4 µs and 686 bytes without `ended_ms`, and 73 µs with a partial index for the load beside a full one.
    _columns = TABLES[_kind.row_type].c
    _passes_over_ended = _kind.ends and _kind.row_type not in _FEW_IN_ALL
    _index(
        f"{_kind.table}_of_instance",
        _columns.process_instance_key,
        *([_columns.ended_ms] if _passes_over_ended else []),
    )

for _kind in DUE_KINDS:
    # Rows that become due, the earliest first.
    _living = " AND ended_ms = 0" if _kind.ends else ""
    _index(f"{_kind.table}_due", TABLES[_kind.row_type].c[_kind.due], where=f"{_kind.due} > 0{_living}")

#: What a row must be for a look-up by its values to make sense; other rows are not in the index, and never asked for.
MATCHED_WHERE: dict[tuple[type, tuple[str, ...]], str] = {
    (rows.Subscription, ("kind", "name", "correlation_key")): "kind <> 'CONDITION'",
    (rows.Message, ("name", "correlation_key", "message_id")): "message_id <> ''",
    (rows.InstanceOrigin, ("bpmn_process_id", "correlation_key")): "correlation_key <> ''",
    (rows.FollowUp, ("target_partition",)): "due_ms = 0",  # nearly all are due, and for the partition itself
}


def matched_where(kind: Kind, columns: tuple[str, ...]) -> str:
    """Return the condition of the index by which living rows of *kind* are found by *columns*; empty for none."""
    conditions = [MATCHED_WHERE.get((kind.row_type, columns), ""), "ended_ms = 0" if kind.ends else ""]
    return " AND ".join(filter(None, conditions))


for _kind in KINDS.values():
    # Rows by their values, oldest first: the events that wait for a message or a signal, kept messages, instances by their marks.
    for _match in _kind.matches:
        _columns = TABLES[_kind.row_type].c
        _index(
            f"{_kind.table}_by_{'_'.join(_match)}",
            *(_columns[name] for name in _match),
            where=matched_where(_kind, _match),
        )

BEGINNING_CHARACTERS = 40  # of a value in an index, because a value may have 4 MiB


class Comparable(FunctionElement[Any]):
    """The value of a variable as its index has it: its first characters; on SQLite, a number stands there as a number, before all texts.

    A column of PostgreSQL has one type, so numbers are texts there like all others.
    """

    name = "comparable"
    inherit_cache = True


def _beginning(element: Comparable, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    [value] = (compiler.process(one, **options) for one in element.clauses)
    return f"substr({value}, 1, {BEGINNING_CHARACTERS})"


@compiles(Comparable)
def _comparable(element: Comparable, compiler: SQLCompiler, **options: Any) -> str:
    return _beginning(element, compiler, options)


@compiles(Comparable, "sqlite")
def _comparable_on_sqlite(element: Comparable, compiler: SQLCompiler, **options: Any) -> str:
    # Each occurrence is rendered on its own: a parameter of a driver that counts its places must stand there as often.
    # Among JSON texts, the numbers are those that begin with a minus or a digit. A pattern would cost 0.4 µs for each variable.
    [value] = element.clauses
    least, most = (compiler.process(value, **options) for _ in range(2))
    number, text = (_beginning(element, compiler, options) for _ in range(2))
    return f"CASE WHEN {least} >= '-' AND {most} < ':' THEN CAST({number} AS NUMERIC) ELSE {text} END"


# Searching variables by their value, by equality and by size.
_variable = variables.c
_index("variables_by_value", _variable.name, Comparable(_variable.value))

# Listing the messages that a process instance has had.
_correlation = TABLES[MessageCorrelation].c
_index("message_correlations_of_instance", _correlation.process_instance_key, _correlation.subscription_key)

# Searching process instances by state, by end, by business id, by caller; the suspended ones, of which there are few.
_index("process_instances_by_end", element_instances.c.ended_ms, where="type = 'PROCESS'")
_index("business_ids_by_id", TABLES[rows.BusinessId].c.business_id)
_origin = TABLES[rows.InstanceOrigin].c
_index("called_by", _origin.parent_process_instance_key, where="parent_process_instance_key <> 0")
_index("instances_suspended", _origin.process_instance_key, where="suspended_ms > 0")

# Listing the evaluations of a decision, newest first.
_index("decision_evaluations_of_decision", TABLES[DecisionEvaluation].c.decision_id)

# The user tasks that a person or a group may claim, those that have ended apart, each in the order of keys: so they are merged as they are read.
_candidates = TABLES[TaskCandidate].c
_index("task_candidates_by_name", _candidates.kind, _candidates.name, _candidates.standing, _candidates.user_task_key)

# Searching user tasks. The open ones have an index with every column that filters need, a quarter as large as the rows, and one for
# each order of lists. SQLite takes a value from a partial index only if it is a column there, so `ended_ms` is one.
_task = TABLES[UserTask].c
_index(
    "user_tasks_open",
    *(_task.key, _task.state, _task.assignee, _task.priority, _task.due_ms, _task.follow_up_ms, _task.created_ms),
    *(_task.process_definition_key, _task.process_instance_key, _task.element_instance_key),
    *(_task.element_id, _task.name, _task.ended_ms),
    where="ended_ms = 0",
)
#: Open tasks that wait for task listeners. There are few, so a search for the others can leave them out rather than look at every state.
IN_CHANGE = "ended_ms = 0 AND state <> 'CREATED'"
_index("user_tasks_in_change", _task.state, where=IN_CHANGE)
_index("user_tasks_by_assignee", _task.assignee, _task.ended_ms)
#: Open tasks that everybody may take, for a policy of who reads what. Only a task without any candidate enters this index.
FOR_EVERYBODY = "ended_ms = 0 AND assignee = '' AND candidate_users = '[]' AND candidate_groups = '[]'"
_index("user_tasks_for_everybody", _task.ended_ms, where=FOR_EVERYBODY)
_index("user_tasks_by_completion", _task.ended_ms, where="ended_ms > 0")
_index("user_tasks_by_due_date", _task.due_ms, where="ended_ms = 0 AND due_ms <> 0")
_index("user_tasks_by_follow_up_date", _task.follow_up_ms, where="ended_ms = 0 AND follow_up_ms <> 0")
_index("user_tasks_by_priority", _task.priority, _task.due_ms, where="ended_ms = 0")
_index("user_tasks_by_name", _task.name, where="ended_ms = 0")

# Listing the history and the comments of a user task, oldest first.
_index("task_events_of_task", TABLES[TaskEvent].c.user_task_key)
_index("task_comments_of_task", TABLES[TaskComment].c.user_task_key)
_index("task_proposals_of_task", TABLES[TaskProposal].c.user_task_key)
# Listing what people did to a process instance.
_index("audit_entries_of_instance", TABLES[AuditEntry].c.process_instance_key)
# Listing the items of a batch operation by their states, those that were worked off too.
_index("batch_items_of_batch", TABLES[BatchItem].c.batch_key, TABLES[BatchItem].c.state)
_index("batch_operations_of_whole", TABLES[BatchOperation].c.whole_key, where="whole_key <> 0")

# Listing process instances by definition and state, newest first (on SQLite the row id ends every index).
_index(
    "process_instances",
    element_instances.c.process_definition_key,
    element_instances.c.state,
    where="type = 'PROCESS'",
)

# The lanes of activatable jobs, each in order of priority and then of age (on SQLite the row id ends every index). A job that is created
# and handed out in one batch never enters one.
_index("jobs_activatable", jobs.c.type, where=PLAIN)
_index("jobs_ranked", jobs.c.type, jobs.c.fair_key, jobs.c.priority.desc(), where=RANKED)
_index("jobs_leased", jobs.c.type, jobs.c.fair_key, jobs.c.priority.desc(), where=LEASED)

# Open incidents, oldest first; there are few.
_index("incidents_open", incidents.c.process_definition_key, where="ended_ms = 0")
