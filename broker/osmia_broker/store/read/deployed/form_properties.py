"""Makes a form of form-js from the form properties of a user task in the Activiti dialect (`activiti:formProperty`)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from osmia_broker.model.xml import ACTIVITI, Node, name

_TYPES = {"string": "textfield", "long": "number", "double": "number", "boolean": "checkbox", "enum": "select"}
_TRUE = ("true", "1")


def form_of_properties(id: str, properties: Sequence[Node]) -> str:
    """Return the schema of a form, JSON text, with a field for each property that may be read."""
    fields = [_field(node) for node in properties if node.get("readable", "true") in _TRUE and node.get("id")]
    return msgspec.json.encode({"type": "default", "id": id, "schemaVersion": 16, "components": fields}).decode()


def _field(node: Node) -> dict[str, Any]:
    kind, id = node.get("type", "string"), node.get("id", "")
    made: dict[str, Any] = {
        "id": f"field_{id}",
        "key": node.get("variable") or id,
        "label": node.get("name") or id,
        "type": _TYPES.get(kind, "textfield"),
    }
    if kind == "date":
        made |= {"type": "datetime", "subtype": "date", "dateLabel": made["label"]}
    if kind == "enum":
        made["values"] = [
            {"value": one.get("id", ""), "label": one.get("name") or one.get("id", "")}
            for one in node.iter(name(ACTIVITI, "value"))
        ]
    if node.get("writable", "true") not in _TRUE:
        made["readonly"] = True
    if node.get("required", "false") in _TRUE:
        made["validate"] = {"required": True}
    default = node.get("default", "")
    if default and "${" not in default:
        made["defaultValue"] = _default(kind, default)
    return made


def _default(kind: str, text: str) -> Any:
    if kind == "boolean":
        return text in _TRUE
    if kind in ("long", "double"):
        try:
            return float(text) if kind == "double" else int(text)
        except ValueError:
            return None
    return text
