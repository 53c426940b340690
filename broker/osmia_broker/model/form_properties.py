"""The form properties of the Activiti dialect (`activiti:formProperty`): what of them becomes a field of a form, and what has no effect."""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date

from osmia_broker.model.expressions import is_juel
from osmia_broker.model.faults import meant, quote
from osmia_broker.model.source import TRUE
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, Node, local_name, name

PROPERTY = name(ACTIVITI, "formProperty")
TYPES = frozenset({"string", "long", "double", "boolean", "enum", "date"})

_LONG = re.compile(r"[+-]?[0-9]{1,18}")
_BOOLEANS = dict.fromkeys(TRUE, True) | {"false": False, "0": False}


def type_of(node: Node) -> str:
    """Return the type of a property; one that is not known takes text."""
    type = trimmed(node.get("type", ""))
    return type if type in TYPES else "string"


def default_of(node: Node) -> str | int | float | bool | None:
    """Return the value that the field begins with; None for none, for an expression, and for one that is not of the type."""
    text, type = node.get("default", ""), type_of(node)
    if not text or is_juel(text):
        return None
    if type == "boolean":
        return _BOOLEANS.get(text)
    if type == "long":
        return int(text) if _LONG.fullmatch(text) else None
    if type == "double":
        return _double(text)
    if type == "date":
        return text if _is_date(text) else None
    return text if type == "string" or text in values_of(node) else None


def values_of(node: Node) -> dict[str, str]:
    """Return the values of an enum by their ids, each with the name that people see."""
    found = node.iterchildren(name(ACTIVITI, "value"))
    return {id: one.get("name") or id for one in found if (id := one.get("id", ""))}


def without_effect(node: Node) -> Iterator[tuple[str, str]]:
    """Yield what a property says and nobody hears, each with a name that was probably meant."""
    id, type, default = node.get("id", ""), trimmed(node.get("type", "")), node.get("default", "")
    if _is_hidden(node):
        yield f"The form of the task is the one that 'activiti:formKey' names: form property '{quote(id)}'", ""
        return
    if not id:
        yield "A form property without an 'id' has no field; it", ""
        return
    if type and type not in TYPES:
        yield (
            f"The type '{quote(type)}' of form property '{quote(id)}' is not known: its field takes text, and the type",
            meant("", type, TYPES),
        )
    if node.get("expression"):
        variable = node.get("variable") or id
        yield (
            f"The expression of form property '{quote(id)}' is not carried out: its field has the variable '{quote(variable)}', and it",
            "",
        )
    if default and default_of(node) is None:
        reason = "is an expression" if is_juel(default) else f"does not fit its type '{type_of(node)}'"
        yield f"The default '{quote(default)}' of form property '{quote(id)}' {reason}; it", ""


def _is_hidden(node: Node) -> bool:
    """Whether a property belongs to a user task whose form is another one."""
    extensions = node.getparent()
    task = None if extensions is None else extensions.getparent()
    return (
        task is not None and local_name(task) == "userTask" and bool(trimmed(task.get(name(ACTIVITI, "formKey"), "")))
    )


def _double(text: str) -> float | None:
    with suppress(ValueError):
        number = float(text)
        return number if math.isfinite(number) and "_" not in text else None
    return None


def _is_date(text: str) -> bool:
    with suppress(ValueError):
        return date.fromisoformat(text).isoformat() == text
    return False
