"""Recognise files that were made for another engine or with a mistake in their head, so that a refusal says so."""

from osmia_broker.model.faults import quote
from osmia_broker.model.xml import BPMN, ZEEBE, Node, local_name, namespace

CAMUNDA_7 = "http://camunda.org/schema/1.0/bpmn"

_EXPECTED = {"zeebe": ZEEBE, "bpmn": BPMN}
_OTHER_STANDARDS = {"DMN": "a DMN decision, whose file name must end with '.dmn'", "CMMN": "a CMMN case"}


def not_bpmn(root: Node) -> str:
    """Return the reason to refuse a file whose outermost element is not `definitions` of BPMN 2.0."""
    reason = (
        f"Fatal Error: Expected 'definitions' of BPMN 2.0 as the outermost element, but found '{quote(str(root.tag))}'"
    )
    if local_name(root) != "definitions":
        return reason
    for word, meaning in _OTHER_STANDARDS.items():
        if f"/{word}/" in namespace(root):
            return f"{reason}; this is {meaning}"
    return f"{reason}; the namespace must be '{BPMN}'"


def not_executable(root: Node) -> str:
    """Return the reason to refuse a file without an executable process, and the mend."""
    reason = "Must contain at least one executable process"
    process = next(root.iterchildren(f"{{{BPMN}}}process"), None)
    if process is None:
        return f"{reason}, but found no process"
    name = process.get("name") or process.get("id")
    which = f"'{quote(name)}'" if name else "the process"
    return f'{reason}; make {which} executable in the modeler (isExecutable="true")'


def hints(root: Node) -> list[str]:
    """Return what explains the faults of a file as a whole; empty if nothing is conspicuous."""
    found = [
        f"The prefix '{prefix}' stands for '{quote(found)}', expected '{_EXPECTED[prefix]}'; elements with it were not read"
        for prefix, found in root.nsmap.items()
        if prefix in _EXPECTED and found != _EXPECTED[prefix]
    ]
    if CAMUNDA_7 in root.nsmap.values() and ZEEBE not in root.nsmap.values():
        found.append(
            "This is a model for Camunda 7, whose 'camunda:' attributes and elements have no effect here; "
            "convert it to Camunda 8, e.g. with the migration tool of its vendor"
        )
    return found
