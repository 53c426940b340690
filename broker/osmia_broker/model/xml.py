"""The XML names of BPMN and its dialects, and small questions to a node. `untrusted_xml` reads the bytes."""

from typing import cast

from osmia_broker.base.untrusted_xml import Node, Unreadable, read
from osmia_broker.model.text import trimmed

__all__ = ["ACTIVITI", "BPMN", "ZEEBE", "Node", "Unreadable", "line", "local_name", "name", "namespace", "read", "text"]

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
ACTIVITI = "http://activiti.org/bpmn"


def name(namespace: str, local: str) -> str:
    """Return the name of a tag or attribute as lxml writes it."""
    return f"{{{namespace}}}{local}"


def local_name(node: Node) -> str:
    """Return the tag without its namespace."""
    return str(node.tag).rpartition("}")[2]


def namespace(node: Node) -> str:
    """Return the namespace of the tag; empty if it has none."""
    return str(node.tag)[1:].partition("}")[0] if str(node.tag).startswith("{") else ""


def line(node: Node) -> int:
    """Return the line where the element begins, from 1; 0 if it is not known."""
    known: int | None = cast("int | None", node.sourceline)
    return known or 0


def text(node: Node) -> str:
    """Return the text directly in an element, trimmed; the text of its children is not part of it."""
    return trimmed((node.text or "") + "".join(child.tail or "" for child in node))
