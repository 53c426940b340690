"""Report which elements and sequence flows of the deployed processes the tests have visited, and which they have not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from osmia_broker.model import Process
from osmia_broker.state.rows import ElementInstance, WaitingToken
from osmia_broker.testing.view import View

IDS_MAX = 8  # that a line of the report names


@dataclass
class ProcessCoverage:
    """The coverage of one process model: everything in it, and what was visited, each by id."""

    elements: set[str] = field(default_factory=set)
    flows: set[str] = field(default_factory=set)
    visited: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    @property
    def missed(self) -> list[str]:
        """The ids of all elements and flows that no test has visited."""
        return sorted(self.elements - self.visited) + sorted(self.flows - self.taken)

    @property
    def share(self) -> float:
        """The visited part of all elements and flows, from 0 to 1."""
        everything = len(self.elements) + len(self.flows)
        return (len(self.visited) + len(self.taken)) / everything if everything else 1.0

    def add(self, other: "ProcessCoverage") -> None:
        """Add what another test has visited."""
        self.elements |= other.elements
        self.flows |= other.flows
        self.visited |= other.visited
        self.taken |= other.taken

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "elements": sorted(self.elements),
            "flows": sorted(self.flows),
            "visitedElements": sorted(self.visited),
            "takenFlows": sorted(self.taken),
            "coverage": round(self.share, 4),
        }


class Coverage:
    """The coverage of all models that were deployed, by process id; two models of the same id are told apart by their checksum."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], ProcessCoverage] = {}

    def add(self, view: View) -> None:
        """Add what has happened at one broker."""
        visits = view.rows(ElementInstance)
        tokens = view.rows(WaitingToken)
        definition_of = {row.key: row.process_definition_key for row in visits if not row.scope_key}
        for definition in view.definitions():
            found = _of_model(view.model(definition))
            here = [row for row in visits if row.process_definition_key == definition.key]
            found.visited = {row.element_id for row in here} & found.elements
            joined = [one for one in tokens if definition_of.get(one.process_instance_key) == definition.key]
            flows = {row.entered_by for row in here} | {token.flow_id for token in joined}
            found.taken = flows & found.flows
            self._at(definition.bpmn_process_id, definition.checksum).add(found)

    def merge(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Add the coverage that another process has collected, as `as_data` gives it."""
        for one in data:
            here = ProcessCoverage(*(set(one[name]) for name in ("elements", "flows", "visited", "taken")))
            self._at(one["process"], one["checksum"]).add(here)

    def as_data(self) -> list[dict[str, Any]]:
        """Return everything as plain values."""
        return [
            {
                "process": process_id,
                "checksum": checksum,
                "elements": sorted(one.elements),
                "flows": sorted(one.flows),
                "visited": sorted(one.visited),
                "taken": sorted(one.taken),
            }
            for (process_id, checksum), one in self._of.items()
        ]

    def processes(self) -> dict[str, ProcessCoverage]:
        """Return the coverage by process id, in their order; of several models, each with the start of its checksum."""
        ids = [process_id for process_id, _ in self._of]
        return {
            process_id if ids.count(process_id) == 1 else f"{process_id} ({checksum[:8]})": one
            for (process_id, checksum), one in sorted(self._of.items())
        }

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"processes": {name: one.as_json() for name, one in self.processes().items()}}

    def report(self) -> list[str]:
        """Return the report as lines of text."""
        processes = self.processes()
        width = max((len(name) for name in processes), default=0)
        lines = [f"{'process':<{width}}  elements    flows  cover  missed"]
        for name, one in processes.items():
            counts = f"{len(one.visited):>4}/{len(one.elements):<3}  {len(one.taken):>3}/{len(one.flows):<3}"
            missed = one.missed
            more = f" … {len(missed) - IDS_MAX} more" if len(missed) > IDS_MAX else ""
            lines.append(f"{name:<{width}}  {counts}  {one.share:>4.0%}  {', '.join(missed[:IDS_MAX])}{more}".rstrip())
        return lines

    def __or__(self, other: Self) -> "Coverage":
        """Return the coverage of both."""
        both = Coverage()
        both.merge([*self.as_data(), *other.as_data()])
        return both

    def _at(self, process_id: str, checksum: str) -> ProcessCoverage:
        return self._of.setdefault((process_id, checksum), ProcessCoverage())


def _of_model(model: Process) -> ProcessCoverage:
    """Return everything that can be covered of a model: all elements but the process itself, and all flows."""
    elements = {id for id, element in model.elements.items() if element is not model.root}
    flows = {flow.id for element in model.elements.values() for flow in element.outgoing}
    return ProcessCoverage(elements, flows)
