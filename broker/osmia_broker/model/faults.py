"""Collect the faults of a model, with their places, and write them in the form of the wire.

A refused deployment says `'<resource name>': ` and then the text of the `InvalidModel`. Modelling tools read its lines `- Element: …` and
`- ERROR: …`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from osmia_broker.base.edits import nearest
from osmia_broker.model.text import shown, trimmed
from osmia_broker.model.xml import BPMN, Node, line, local_name, namespace

_BREAKS = re.compile(r"\s*[\r\n]\s*")
QUOTE_CHARS_MAX = 200  # of a model's own text in a reason: an answer must fit into HTTP/2 headers


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file.

    *element_id* is the nearest BPMN element with an id, empty for the file as a whole; *path* goes from there to the place
    (`approve > extensionElements > taskSchedule`); *line* counts from 1, and is 0 where there is none. *name* is the one that people see in
    the diagram, empty for an element without.
    """

    element_id: str
    path: str
    reason: str
    line: int = 0
    name: str = ""


class InvalidModel(Exception):
    """A file that cannot be deployed. *faults* has at least one entry, in the order of the file's lines."""

    def __init__(self, resource_name: str, faults: Iterable[Fault]) -> None:
        self.resource_name = resource_name
        self.faults = list(faults)
        super().__init__(_report(self.faults))


class Faults:
    """The faults found so far while a file is read. Its author sees them all in one answer."""

    def __init__(self) -> None:
        self._found: list[Fault] = []
        self._touched: set[str] = set()
        self._lines: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def add(self, node: Node, reason: str) -> None:
        """Add a fault at *node*."""
        steps: list[str] = []
        at: Node | None = node
        while at is not None and not (namespace(at) == BPMN and at.get("id")):
            steps.append(local_name(at))
            at = at.getparent()
        element_id = "" if at is None else at.get("id", "")
        if at is not None:
            steps.append(quote(element_id))
        name = "" if at is None else at.get("name", "")
        self._note(Fault(element_id, " > ".join(reversed(steps)), reason, line(node), name))

    def about(self, element_id: str, reason: str) -> None:
        """Add a fault of the element with this id."""
        self._note(
            Fault(
                element_id, quote(element_id), reason, self._lines.get(element_id, 0), self._names.get(element_id, "")
            )
        )

    def places(self, lines: dict[str, int], names: dict[str, str]) -> None:
        """Set the line and the name of each id, which the faults of `about` carry."""
        self._lines = lines
        self._names = names

    def touch(self, element_id: str) -> bool:
        """Whether the element itself has a fault; faults of the elements inside it do not count."""
        return element_id in self._touched

    def refuse(self, resource_name: str, hints: Iterable[str] = ()) -> None:
        """Raise InvalidModel if there is any fault. The *hints* about the file as a whole come first."""
        if self._found:
            about_file = [Fault("", "", hint) for hint in hints]
            raise InvalidModel(resource_name, [*about_file, *sorted(self._found, key=lambda fault: fault.line)])

    def _note(self, fault: Fault) -> None:
        self._touched.add(fault.element_id)
        self._found.append(fault)


def quote(text: str) -> str:
    """Return a model's own text for a reason: cut to the length of an answer, invisible characters as their codes."""
    return shown(text if len(text) <= QUOTE_CHARS_MAX else text[:QUOTE_CHARS_MAX] + "…")


def meant(prefix: str, name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'zeebe:userTask'?` for a *name* that is near one of the *known* ones, else nothing. Capitals do not count.

    *prefix* is the one of the namespace, with its colon; empty for names without one.
    """
    by_name = {one.lower(): one for one in sorted(known)}
    near = nearest(name.lower(), by_name, likeness=0.8)
    return f"; did you mean '{prefix}{by_name[near]}'?" if near else ""


def _where(fault: Fault) -> str:
    """Return the place as people find it: the line of the file, and the name in the diagram."""
    places = [f"line {fault.line}"] if fault.line else []
    if trimmed(fault.name):
        places.append(f"'{quote(trimmed(fault.name))}'")
    return f" ({', '.join(places)})" if places else ""


def _one_line(text: str) -> str:
    """Return *text* without the line breaks of names and expressions: a problem is one line, which tools and people read as such."""
    return _BREAKS.sub(" ", text)


def _report(faults: list[Fault]) -> str:
    lines: list[str] = []
    path = ""
    for fault in faults:
        if not fault.path:
            lines.append(_one_line(fault.reason))
            continue
        if fault.path != path:
            lines.append(f"- Element: {_one_line(fault.path)}")
            path = fault.path
        lines.append(f"    - ERROR: {_one_line(fault.reason + _where(fault))}")
    return "\n".join(lines)
