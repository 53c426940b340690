"""One BPMN element of the file while it is read: its children by kind, its attributes, and where its faults go."""

from collections.abc import Callable, Iterator

from osmia_broker.model import expressions
from osmia_broker.model.expressions import Expression
from osmia_broker.model.faults import Faults, quote
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import BPMN, Node, local_name, name, text

EXTENSIONS = name(BPMN, "extensionElements")
DOCUMENTATION = name(BPMN, "documentation")
TRUE = ("true", "1")  # xsd:boolean


class Source:
    """An element's node. Readers ask it for what they need; whatever is amiss becomes a fault, and they get None."""

    __slots__ = ("extensions", "faults", "node")

    def __init__(self, node: Node, faults: Faults) -> None:
        self.node = node
        self.faults = faults
        #: children of `extensionElements` by tag, each list in document order
        self.extensions: dict[str, list[Node]] = {}
        for container in node.iterchildren(EXTENSIONS):
            for child in container:
                self.extensions.setdefault(str(child.tag), []).append(child)

    @property
    def id(self) -> str:
        """The element's id; empty where it has none."""
        return self.node.get("id", "")

    @property
    def documentation(self) -> str:
        """The first documentation's text."""
        node = self.node.find(DOCUMENTATION)
        return "" if node is None else text(node)

    def children(self) -> Iterator[tuple[str, Node]]:
        """The BPMN elements right below, with their local names."""
        prefix = f"{{{BPMN}}}"
        for child in self.node:
            if str(child.tag).startswith(prefix):
                yield local_name(child), child

    def fault(self, reason: str, at: Node | None = None) -> None:
        """Note what is wrong with this element, or with *at* inside it."""
        self.faults.add(self.node if at is None else at, reason)

    def extension(self, tag: str) -> Node | None:
        """The one extension element of this *tag*; None without, a fault with several."""
        found = self.extensions.get(tag, [])
        if len(found) > 1:
            self.fault(
                f"Expected at most one '{local_name(found[0])}' extension element, but found {len(found)}", found[1]
            )
        return found[0] if found else None

    def is_true(self, attribute: str) -> bool:
        """Whether a boolean attribute is set."""
        return self.node.get(attribute, "").strip() in TRUE

    def required(self, at: Node, attribute: str) -> str:
        """Return an attribute's text, trimmed. If nothing visible is in it, note a fault and return an empty text."""
        value = trimmed(at.get(attribute, ""))
        if not value:
            self.fault(f"Attribute '{attribute}' must be present and not empty", at)
        return value

    def compiled(self, at: Node, compile: Callable[[str], Expression], text: str) -> Expression | None:
        """The expression that *text* is; a fault and None where it does not parse."""
        try:
            return compile(text)
        except expressions.UnreadableExpression as error:
            self.fault(f"failed to parse expression '{quote(error.text)}': {quote(str(error))}", at)
            return None
