"""Access to one BPMN element while the file is read: its children, its attributes, its extensions and its faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from osmia_broker.model import expressions
from osmia_broker.model.expressions import Expression
from osmia_broker.model.faults import Faults, quote
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, BPMN, ZEEBE, Node, local_name, name, namespace, text

EXTENSIONS = name(BPMN, "extensionElements")
DOCUMENTATION = name(BPMN, "documentation")
TRUE = ("true", "1")  # xsd:boolean


_ACTIVITI_TOOLS = ("activiti", "alfresco")  # a file without any attribute of the dialect names its tool alone
_ACTIVITI_ID = re.compile("model-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # or has an id as that tool gives them
_SHARED = frozenset({"message", "signal", "error", "escalation"})
_EVENT_DEFINITION = "EventDefinition"  # how the tags end of what several events may share


@dataclass(frozen=True, slots=True)
class File:
    """The facts about a file that its elements share. They are found once, because a walk of the file for each element is quadratic."""

    #: the messages, signals, errors, escalations and event definitions beside the processes, by id
    shared: Mapping[str, Node] = field(default_factory=dict)
    # Whether it declares that namespace, or Activiti's modeller wrote it: texts with `${…}` are expressions.
    declares_activiti: bool = False
    is_activiti: bool = False  # and has no element of Camunda's
    is_only_activiti: bool = False  # and does not declare that of Camunda: optional parts may be missing
    is_extensible: bool = False  # it has no element of Camunda's, so an Activiti extension file may stand beside it

    @staticmethod
    def of(root: Node) -> "File":
        """Find the facts about the file with this outermost element."""
        namespaces = root.nsmap.values()
        shared = {
            id: node
            for node in root
            if (id := node.get("id"))
            and namespace(node) == BPMN
            and (local_name(node) in _SHARED or local_name(node).endswith(_EVENT_DEFINITION))
        }
        is_extensible = next(root.iter(f"{{{ZEEBE}}}*"), None) is None
        exporter = root.get("exporter", "").lower()
        is_of_tool = any(tool in exporter for tool in _ACTIVITI_TOOLS) or _ACTIVITI_ID.fullmatch(root.get("id", ""))
        declares = ACTIVITI in namespaces or bool(is_of_tool)
        is_activiti = declares and is_extensible
        return File(shared, declares, is_activiti, is_activiti and ZEEBE not in namespaces, is_extensible)


_NO_FILE = File()


class Source:
    """The node of an element. If a reader asks for something that is faulty, it gets None, and the fault is noted."""

    __slots__ = ("extensions", "faults", "file", "node")

    def __init__(self, node: Node, faults: Faults, file: "File | None" = None) -> None:
        self.node = node
        self.faults = faults
        self.file = file or _NO_FILE
        #: children of `extensionElements` by tag, each list in document order
        self.extensions: dict[str, list[Node]] = {}
        for container in node.iterchildren(EXTENSIONS):
            for child in container:
                self.extensions.setdefault(str(child.tag), []).append(child)

    @property
    def id(self) -> str:
        """The id of the element; empty if it has none."""
        return self.node.get("id", "")

    @property
    def documentation(self) -> str:
        """The text of the first documentation."""
        node = self.node.find(DOCUMENTATION)
        return "" if node is None else text(node)

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the BPMN elements directly below, with their local names."""
        prefix = f"{{{BPMN}}}"
        for child in self.node:
            if str(child.tag).startswith(prefix):
                yield local_name(child), child

    def fault(self, reason: str, at: Node | None = None) -> None:
        """Note a fault of this element, or of *at* inside it."""
        self.faults.add(self.node if at is None else at, reason)

    def extension(self, tag: str) -> Node | None:
        """Return the extension element of this *tag*; None without. Several are a fault."""
        found = self.extensions.get(tag, [])
        if len(found) > 1:
            self.fault(
                f"Expected at most one '{local_name(found[0])}' extension element, but found {len(found)}", found[1]
            )
        return found[0] if found else None

    def static_value(self, at: Node, text: str, remedy: str = "") -> None:
        """Note that a text which must be an expression is none, in the words of the file's dialect."""
        shown = quote(text)
        form = (
            f"stands in '${{…}}' (e.g. '${{{shown}}}')"
            if self.file.is_only_activiti
            else f"must start with '=' (e.g. '={shown}')"
        )
        self.fault(f"Expected expression but found static value '{shown}'. An expression {form}.{remedy}", at)

    def is_true(self, attribute: str) -> bool:
        """Whether a boolean attribute is true."""
        return self.node.get(attribute, "").strip() in TRUE

    def required(self, at: Node, attribute: str) -> str:
        """Return an attribute's text, trimmed. If nothing visible is in it, note a fault and return an empty text."""
        value = trimmed(at.get(attribute, ""))
        if not value:
            self.fault(f"Attribute '{attribute}' must be present and not empty", at)
        return value

    def compiled(self, at: Node, compile: Callable[[str], Expression], text: str) -> Expression | None:
        """Compile *text*. If it cannot be parsed, note a fault and return None."""
        try:
            return compile(text)
        except expressions.UnreadableExpression as error:
            self.fault(f"failed to parse expression '{quote(error.text)}': {quote(str(error))}", at)
            return None
