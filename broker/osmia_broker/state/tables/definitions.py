"""Deployed definitions. The row of every version is in memory, its compiled model only while it is in use."""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from osmia_broker.base.errors import InvalidState
from osmia_broker.model.extension_files import SUFFIX, ProcessExtensions, stem_of
from osmia_broker.model.graph import Process
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.missing import Missing
from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_broker.state.store_protocol import RowValues, Start, Wanted

#: Compiled models in memory, beyond those that one command needs. The least recently used one goes first.
MODELS_MAX = 512


class VersionedRow(Protocol):
    """A row that is one version of a definition."""

    key: int
    version: int
    deployment_key: int  # keys grow with time, and so do versions
    deleted_ms: int


V = TypeVar("V", bound=VersionedRow)


class VersionedTable(WholeTable[V]):
    """All deployed versions of one kind of definition, by key and by id.

    A deleted version is found by its key alone, for the process instances that still run in it. Its number is not used again.
    """

    __slots__ = ("_by_id", "_id")

    def __init__(self, row_type: type[V], id_field: str, journal: Journal) -> None:
        super().__init__(row_type, journal)
        self._id: Callable[[V], str] = attrgetter(id_field)
        self._by_id: dict[str, dict[int, V]] = {}

    def version(self, id: str, version: int) -> V | None:
        """Return one version of *id*."""
        row = self._by_id.get(id, {}).get(version)
        return row if row is not None and not row.deleted_ms else None

    def latest(self, id: str) -> V | None:
        """Return the highest version of *id*."""
        versions = self._by_id.get(id)
        if not versions:
            return None
        row = versions[max(versions)]
        return row if not row.deleted_ms else self._newest(id, lambda _: True)

    def next_version(self, id: str) -> int:
        """Return the number of the next version of *id*, from 1."""
        return max(self._by_id.get(id, ()), default=0) + 1

    def as_of_deployment(self, id: str, deployment_key: int) -> V | None:
        """Return the version of *id* that a deployment brought or found; None if there was none then."""
        return self._newest(id, lambda row: row.deployment_key <= deployment_key)

    def tagged(self, id: str, version_tag: str) -> V | None:
        """Return the newest version of *id* with this version tag."""
        return self._newest(id, lambda row: getattr(row, "version_tag", "") == version_tag)

    def _newest(self, id: str, fits: Callable[[V], bool]) -> V | None:
        versions = [row for row in self._by_id.get(id, {}).values() if not row.deleted_ms and fits(row)]
        return max(versions, key=lambda row: row.version, default=None)

    def all(self) -> Iterable[V]:
        """Return all versions of all ids, deleted ones too."""
        return self._rows.values()

    def _entered(self, row: V) -> None:
        self._by_id.setdefault(self._id(row), {})[row.version] = row

    def _left(self, row: V) -> None:
        versions = self._by_id[self._id(row)]
        del versions[row.version]
        if not versions:
            del self._by_id[self._id(row)]


class ProcessTable(VersionedTable[ProcessDefinition]):
    """The versions of processes, and the compiled ones that steps have asked for since the last batch.

    A row that leaves takes its model along: an undone deployment gives its key back, and another process may get it in the same batch.
    """

    __slots__ = ("hot",)

    def __init__(self, journal: Journal) -> None:
        super().__init__(ProcessDefinition, "bpmn_process_id", journal)
        self.hot: dict[int, Process] = {}  #: by definition key: every step asks for one

    def _left(self, row: ProcessDefinition) -> None:
        super()._left(row)
        self.hot.pop(row.key, None)


@dataclass(slots=True)
class Compiled:
    """The compiled content of one resource: processes, or a graph of decisions, or extensions; a form has none of them."""

    processes: dict[str, Process]  # by id
    decisions: Any = None  # dmn.DecisionGraph
    extensions: Mapping[str, ProcessExtensions] = field(default_factory=dict)  # by process id


class Definitions:
    """Processes, decisions and forms, with the models compiled from their resources."""

    __slots__ = ("_hot", "_journal", "_models", "_new_resources", "decisions", "forms", "processes", "requirements")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.processes = ProcessTable(journal)
        self.requirements: VersionedTable[DecisionRequirements] = VersionedTable(
            DecisionRequirements, "decision_requirements_id", journal
        )
        self.decisions: VersionedTable[Decision] = VersionedTable(Decision, "decision_id", journal)
        self.forms: VersionedTable[Form] = VersionedTable(Form, "form_id", journal)
        # By checksum, the least recently used first.
        self._models: OrderedDict[str, Compiled | InvalidState] = OrderedDict()
        self._hot = self.processes.hot
        self._new_resources: dict[str, bytes] = {}

    def tables(self) -> dict[type, "VersionedTable[Any]"]:
        """Return the tables of definitions by row class."""
        return {
            ProcessDefinition: self.processes,
            DecisionRequirements: self.requirements,
            Decision: self.decisions,
            Form: self.forms,
        }

    def admit(self, start: Start) -> None:
        """Take in all definitions that were deployed before this start."""
        for row_type, table in self.tables().items():
            table.admit(start.definitions.get(row_type, ()))

    def process(self, definition_key: int) -> Process:
        """Return the compiled process of a definition that exists.

        Raises:
            Missing: its resource must be read and compiled first.

        """
        process = self._hot.get(definition_key)
        if process is not None:
            return process
        definition = self.processes.get(definition_key)
        assert definition is not None, f"{definition_key} is no process definition"
        process = self.model(definition.checksum).processes[definition.bpmn_process_id]
        self._hot[definition_key] = process
        return process

    def extensions(self, definition_key: int) -> ProcessExtensions | None:
        """Return what the extension file says about the process of a definition that exists; None without such a file.

        Raises:
            Missing: the file must be read and compiled first.

        """
        definition = self.processes.get(definition_key)
        if definition is None or not definition.extensions_checksum:
            return None
        return self.model(definition.extensions_checksum).extensions.get(definition.bpmn_process_id)

    def model(self, checksum: str) -> Compiled:
        """Return the compiled content of the resource of this checksum.

        Raises:
            Missing: it must be read and compiled first.
            InvalidState: it was stored, but this version cannot read it.

        """
        compiled = self._models.get(checksum)
        if compiled is None:
            raise Missing(Wanted(resources=frozenset({checksum})))
        self._models.move_to_end(checksum)
        if isinstance(compiled, InvalidState):
            raise InvalidState(str(compiled))
        return compiled

    def has_model(self, checksum: str) -> bool:
        """Return whether the compiled resource of this checksum is at hand."""
        return checksum in self._models

    def decisions_of(self, requirements_key: int) -> list[Decision]:
        """Return the decisions of one deployed graph, in the order of the file."""
        return [row for row in self.decisions.all() if row.decision_requirements_key == requirements_key]

    def resource_name(self, checksum: str) -> str:
        """Return a name under which the resource of this checksum was deployed, or its checksum if there is none.

        The ending of the name says how to read the resource.
        """
        rows: Iterable[ProcessDefinition | DecisionRequirements] = chain(self.processes.all(), self.requirements.all())
        names = (row.resource_name for row in rows if row.checksum == checksum)
        extended = (row for row in self.processes.all() if row.extensions_checksum == checksum)
        return next(chain(names, (stem_of(row.resource_name) + SUFFIX for row in extended)), checksum)

    def keep_model(self, checksum: str, compiled: Compiled | InvalidState) -> None:
        """Keep a compiled resource at hand. An undone command need not drop it, since it can be compiled again at any time."""
        self._models[checksum] = compiled

    def evict(self, wanted: Callable[[], Container[str]]) -> None:
        """Forget the compiled resources beyond MODELS_MAX that were used least recently.

        Those that are *wanted* stay: a command may need more than MODELS_MAX, and needs all of them at once.
        """
        if len(self._models) <= MODELS_MAX:
            return
        kept = wanted()
        cold = [checksum for checksum in self._models if checksum not in kept]
        for checksum in cold[: len(self._models) - MODELS_MAX]:
            del self._models[checksum]

    def models(self) -> dict[str, Compiled]:
        """Return the compiled resources at hand, by checksum."""
        return {checksum: one for checksum, one in self._models.items() if isinstance(one, Compiled)}

    def keep_models(self, models: Mapping[str, Compiled]) -> None:
        """Keep what `models` of an earlier memory has returned."""
        self._models.update(models)

    def add_resource(self, checksum: str, content: bytes) -> None:
        """Store the bytes of a resource with the next commit, unless they are stored already."""
        if checksum not in self._new_resources:
            self._new_resources[checksum] = content
            self._journal.note(self._new_resources.pop, checksum)

    def take_new_resources(self) -> list[RowValues]:
        """Return the values of the resources added since the last call."""
        taken: list[RowValues] = [(checksum, content) for checksum, content in self._new_resources.items()]
        self._new_resources.clear()
        self._hot.clear()
        return taken
