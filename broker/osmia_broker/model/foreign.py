"""Find the names of Activiti at elements of Camunda's dialect: the reference passes over foreign names (measured), and so do the readers.

A file may have both dialects; each element has one. It is of Camunda's if an extension element of `zeebe:` says what it does or for whom it is.
"""

from collections.abc import Iterator

from osmia_broker.model.source import EXTENSIONS
from osmia_broker.model.xml import ACTIVITI, BPMN, ZEEBE, Node, name

#: Mappings, headers and listeners say neither.
_DEFINING = (
    "assignmentDefinition", "calledDecision", "calledElement", "formDefinition", "loopCharacteristics", "priorityDefinition", "publishMessage",
    "script", "taskDefinition", "taskSchedule", "userTask",
)  # fmt: skip
_TAGS = [name(ZEEBE, local) for local in _DEFINING]
_OF_ACTIVITI = f"{{{ACTIVITI}}}"
_START_EVENT = name(BPMN, "startEvent")  # its form is beside `activiti:initiator`, not instead of it


def foreign_names(root: Node) -> Iterator[tuple[Node, str]]:
    """Yield each such name: an attribute with the node that has it, or the tag of an extension element with that element itself."""
    seen: set[Node] = set()
    for definition in root.iter(*_TAGS):
        extensions = definition.getparent()
        owner = None if extensions is None or extensions.tag != EXTENSIONS else extensions.getparent()
        if owner is None or owner in seen or owner.tag == _START_EVENT:
            continue
        seen.add(owner)
        yield from ((owner, one) for one in map(str, owner.attrib) if one.startswith(_OF_ACTIVITI))
        yield from ((one, str(one.tag)) for one in owner.iterfind(f"{EXTENSIONS}/{_OF_ACTIVITI}*"))


def forget_foreign_names(root: Node) -> None:
    """Take these names out of a tree."""
    for node, found in list(foreign_names(root)):
        if node.tag != found:
            del node.attrib[found]
        elif (parent := node.getparent()) is not None:
            parent.remove(node)
