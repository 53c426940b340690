"""One statement for a whole load: whatever is wanted comes as JSON, a column for each table or question.

The statement is put together from parts. A part is a question of one form: its text depends on the form alone, so that the server plans
each combination of forms once, and its values are parameters.
"""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from osmia_broker.state.rows.kinds import KINDS, Kind
from osmia_broker.state.storable import is_storable
from osmia_broker.state.store_protocol import LANES_MAX, DueWanted, Loaded, RowValues, Wanted
from osmia_broker.state.tables.windows import rank_of
from osmia_broker.store import schema, statements
from osmia_broker.store.assemble import NEXT_DUE, Assembly, due_of
from osmia_broker.store.postgres.dialect import Parameters, as_rows, embedded, packed

_read = msgspec.json.Decoder(list[Any]).decode
_KEY = ("key",)


@dataclass(slots=True)
class Text:
    """A statement that is being written: its numbered parameters, its named tables, and its columns."""

    place: Parameters
    tables: list[str]
    columns: list[str]


class Form(Protocol):
    """A question without its values."""

    def write(self, text: Text) -> None:
        """Add the tables and columns of the question."""


@dataclass(frozen=True, slots=True)
class RowsForm:
    """Whole process instances, by keys of rows of some classes, and by the values of rows."""

    row_types: tuple[type, ...]
    matches: tuple[tuple[type, tuple[str, ...]], ...]

    def write(self, text: Text) -> None:
        """Add the keys that match, the owners, and the living rows of all tables that instances have rows in."""
        owners = []
        for number, (row_type, columns) in enumerate(self.matches):
            values = {f"value_{place}": text.place() for place in range(len(columns))}
            found = embedded(statements.MATCHES[row_type, columns], after=text.place(), **values)
            text.tables.append(f"matched{number} AS MATERIALIZED ({found})")
            text.columns.append(as_rows(f"SELECT key FROM matched{number}", _KEY))
            keys = f"ARRAY(SELECT key FROM matched{number})"
            owners.append(embedded(statements.OWNERS[row_type], keys=keys))
        owners += [embedded(statements.OWNERS[one], keys=text.place.keys(int)) for one in self.row_types]
        text.tables.append(f"owner AS MATERIALIZED ({' UNION ALL '.join(owners)})")
        owned = "ARRAY(SELECT DISTINCT process_instance_key FROM owner)"
        text.tables.append(f"instance AS MATERIALIZED (SELECT {owned} AS keys)")
        instances = "(SELECT keys FROM instance)::bigint[]"
        living = as_rows("SELECT key, process_instance_key FROM owner", ("key", "process_instance_key"))
        text.columns.append(living)
        for kind in schema.KEYED_KINDS:
            text.columns.append(as_rows(embedded(statements.OF_INSTANCES[kind.row_type], keys=instances), kind.columns))
        scopes = (
            "ARRAY(SELECT key FROM element_instances"
            f" WHERE process_instance_key = ANY ({instances}) AND ended_ms = {schema.NOT_ENDED})"
        )
        for kind in schema.SCOPED_KINDS:
            text.columns.append(as_rows(embedded(statements.OF_SCOPES[kind.row_type], keys=scopes), kind.columns))


@dataclass(frozen=True, slots=True)
class ResourcesForm:
    """Contents by checksum."""

    def write(self, text: Text) -> None:
        """Add a column of (checksum, content)."""
        found = embedded(statements.RESOURCES, keys=text.place.keys(str))
        text.columns.append(as_rows(found, ("checksum", "content"), hexadecimal="content"))


@dataclass(frozen=True, slots=True)
class WindowForm:
    """The next jobs of a lane: the parts of the lane that are left, and the names of what says where each begins."""

    parts: tuple[tuple[str, tuple[str, ...]], ...]

    def write(self, text: Text) -> None:
        """Add a column of (priority, key)."""
        of_all = {"type": text.place(), "rows_max": text.place()}
        found = [
            f"({embedded(statements.LANES[name], **of_all, **{one: text.place() for one in places})})"
            for name, places in self.parts
        ]
        ranked = f"{' UNION ALL '.join(found)} ORDER BY priority DESC, key LIMIT {of_all['rows_max']}"
        text.columns.append(as_rows(ranked, ("priority", "key")))


@dataclass(frozen=True, slots=True)
class FairKeysForm:
    """The next keys that share the jobs of a type. Each costs one step in each index."""

    number: int

    def write(self, text: Text) -> None:
        """Add a column of keys, the one to begin after among them."""
        name, type, after = f"fair{self.number}", text.place(), text.place("text")
        following = ", ".join(
            f"({embedded(one, type=type, after=f'{name}.fair_key')})" for one in statements.NEXT_FAIR_KEY
        )
        text.tables.append(
            f'{name} (fair_key, step) AS (SELECT {after} COLLATE "C", 0'
            f" UNION ALL SELECT LEAST({following}), step + 1 FROM {name}"
            f" WHERE {name}.fair_key IS NOT NULL AND step < {LANES_MAX})"
        )
        text.columns.append(as_rows(f"SELECT fair_key FROM {name} ORDER BY step", ("fair_key",)))


@dataclass(frozen=True, slots=True)
class DueForm:
    """The earliest rows of all classes that are due, and the next ones."""

    def write(self, text: Text) -> None:
        """Add a column of (time, place in DUE_KINDS, key)."""
        places = {name: text.place("bigint") for name in statements.due_values(NEXT_DUE)}
        text.columns.append(as_rows(embedded(statements.DUE, **places), ("due_ms", "place", "key")))


@dataclass(frozen=True, slots=True)
class AllForm:
    """All rows of a statement without parameters."""

    name: str
    columns: tuple[str, ...]

    def write(self, text: Text) -> None:
        """Add a column of them."""
        text.columns.append(as_rows(embedded(_WHOLE[self.name]), self.columns))


_WHOLE = {
    **{KINDS[row_type].table: statement for row_type, statement in statements.DEFINITIONS.items()},
    "held": statements.HELD.with_only_columns(
        *list(statements.HELD.selected_columns)[:3], list(statements.HELD.selected_columns)[3].label("number")
    ),
}
HELD = AllForm("held", ("type", "fair_key", "worker", "number"))


def all_of(kind: Kind) -> AllForm:
    """Return the question for all rows of a definition kind."""
    return AllForm(kind.table, kind.columns)


@lru_cache(maxsize=512)
def text_of(forms: tuple[Form, ...]) -> str:
    """Return the statement that asks questions of these forms."""
    text = Text(Parameters(), [], [])
    for form in forms:
        form.write(text)
    tables = f"WITH RECURSIVE {', '.join(text.tables)} " if text.tables else ""
    return f"{tables}SELECT {', '.join(text.columns)}"


def rows_in(answer: Iterator[str | None]) -> list[RowValues]:
    """Return the rows of the next column of an answer."""
    found = next(answer)
    return [tuple(row) for row in _read(found)] if found else []


class Question:
    """Everything that is *wanted*, as one statement, and the reading of its answer."""

    def __init__(self, wanted: Wanted) -> None:
        self._newer: Container[int] = wanted.newer
        self._matches = [match for match in wanted.matches if all(map(_can_be_asked, match.values))]
        self._unmatched = wanted.matches - {*self._matches}
        self._windows = [(lane, after) for lane, after in wanted.windows if _can_be_asked(lane.type)]
        self._empty = [lane for lane, _ in wanted.windows if not _can_be_asked(lane.type)]
        self._fair_keys = [(type, after) for type, after in wanted.fair_keys if _can_be_asked(type)]
        self._due: DueWanted | None = wanted.due
        self._keys: Mapping[type, list[int]] = _by_type(wanted)
        self.forms: list[Form] = []
        self.values: list[Any] = []
        if self._keys or self._matches:
            self._ask_for_rows()
        self._resources = wanted.resources
        if self._resources:
            self._ask(ResourcesForm(), packed(str, self._resources))
        for lane, after in self._windows:
            parts = list(statements.parts_of(lane, after))
            form = WindowForm(tuple((name, tuple(places)) for name, places in parts))
            self._ask(form, lane.type, lane.jobs_max, *(value for _, places in parts for value in places.values()))
        for number, fair in enumerate(self._fair_keys):
            self._ask(FairKeysForm(number), *fair)
        if self._due is not None:
            self._ask(DueForm(), *statements.due_values(self._due).values())

    def _ask(self, form: Form, *values: Any) -> None:
        self.forms.append(form)
        self.values += values

    def _ask_for_rows(self) -> None:
        form = RowsForm(tuple(self._keys), tuple((match.row_type, match.columns) for match in self._matches))
        of_matches = [value for match in self._matches for value in (*match.values, match.after)]
        self._ask(form, *of_matches, *(packed(int, keys) for keys in self._keys.values()))

    def read(self, answer: Iterator[str | None]) -> Loaded:
        """Make of the columns of an answer what was asked for."""
        loaded = Loaded(matches={match: [] for match in self._unmatched}, windows={lane: [] for lane in self._empty})
        if self._keys or self._matches:
            self._read_rows(answer, loaded)
        if self._resources:
            loaded.resources = {checksum: bytes.fromhex(content) for checksum, content in rows_in(answer)}
        for lane, _ in self._windows:
            loaded.windows[lane] = [rank_of(priority, key) for priority, key in rows_in(answer)]
        for type, after in self._fair_keys:
            first = [] if after else [""]
            keys = [key for (key,) in rows_in(answer)[1:] if key is not None]
            loaded.fair_keys[type] = [*first, *keys][:LANES_MAX]
        if self._due is not None:
            loaded.due = due_of(rows_in(answer), self._due)
        return loaded

    def _read_rows(self, answer: Iterator[str | None], loaded: Loaded) -> None:
        for match in self._matches:
            loaded.matches[match] = [key for (key,) in rows_in(answer)]
        assembly = Assembly()
        assembly.add_owners(rows_in(answer))
        newer = {key for key in assembly.instance_keys if key in self._newer}
        for kind in schema.KEYED_KINDS:
            if found := rows_in(answer):
                place = kind.columns.index("process_instance_key")
                assembly.add_rows(kind, [row for row in found if row[place] not in newer])
        scopes = frozenset(assembly.scope_keys)
        for kind in schema.SCOPED_KINDS:
            if found := rows_in(answer):
                place = kind.columns.index("scope_key")
                assembly.add_rows_of_scopes(kind, [row for row in found if row[place] in scopes])
        assembly.finish(loaded)


def _by_type(wanted: Wanted) -> Mapping[type, list[int]]:
    """Return the wanted keys by row class, in the order of the registry, so that equal forms are equal."""
    found: dict[type, list[int]] = defaultdict(list)
    for row_type, key in wanted.rows:
        found[row_type].append(key)
    return {row_type: found[row_type] for row_type in KINDS if row_type in found}


def _can_be_asked(value: str | int) -> bool:
    """Whether a question may have *value*; PostgreSQL refuses a text that no row can hold even there."""
    return not isinstance(value, str) or is_storable(value)
