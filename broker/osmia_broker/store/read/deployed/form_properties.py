"""Makes a form of form-js from the form properties of a user task or a start event in the Activiti dialect (`activiti:formProperty`)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from osmia_broker.model.form_properties import default_of, type_of, values_of
from osmia_broker.model.source import TRUE
from osmia_broker.model.xml import Node

_FIELDS: dict[str, dict[str, Any]] = {
    "string": {"type": "textfield"},
    "long": {"type": "number", "decimalDigits": 0},
    "double": {"type": "number"},
    "boolean": {"type": "checkbox"},
    "enum": {"type": "select"},
    "date": {"type": "datetime", "subtype": "date"},
}


def form_of_properties(id: str, properties: Sequence[Node]) -> str:
    """Return the schema of a form, JSON text, with a field for each property that may be read."""
    fields = [_field(node) for node in properties if node.get("readable", "true") in TRUE and node.get("id")]
    return msgspec.json.encode({"type": "default", "id": id, "schemaVersion": 16, "components": fields}).decode()


def _field(node: Node) -> dict[str, Any]:
    type, id = type_of(node), node.get("id", "")
    made: dict[str, Any] = {
        "id": f"field_{id}",
        "key": node.get("variable") or id,
        "label": node.get("name") or id,
        **_FIELDS[type],
    }
    if type == "date":
        made["dateLabel"] = made["label"]
    if type == "enum":
        made["values"] = [{"value": value, "label": label} for value, label in values_of(node).items()]
    if node.get("writable", "true") not in TRUE:
        made["readonly"] = True
    # A box always gives a value. If it had to, form-js would take a ticked one alone.
    if node.get("required", "false") in TRUE and type != "boolean":
        made["validate"] = {"required": True}
    if (default := default_of(node)) is not None:
        made["defaultValue"] = default
    return made
