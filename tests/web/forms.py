"""Forms that people fill in, and what tests do with them in a browser."""

import json
from typing import Any
from urllib.parse import unquote_plus

import httpx
import msgspec


def form(id: str, *components: dict[str, Any]) -> bytes:
    """A form of form-js."""
    fields = [{"id": f"c{number}"} | one for number, one in enumerate(components)]
    return msgspec.json.encode({"type": "default", "id": id, "schemaVersion": 16, "components": fields})


DINNER = {"type": "textfield", "label": "What do we eat?", "key": "dinner", "validate": {"required": True}}
GUESTS = {"type": "number", "label": "Guests", "key": "guests"}


def region(page: Any, name: str) -> Any:
    return page.get_by_role("region", name="Task").get_by_role("region", name=name)


DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def among(*texts: str) -> list[dict[str, str]]:
    """Choices, whose labels begin with a capital."""
    return [{"label": text.capitalize(), "value": text} for text in texts]


def moment(subtype: str, key: str, **labels: str) -> dict[str, Any]:
    return {"type": "datetime", "subtype": subtype, "key": key, "timeInterval": 15, **labels}


FIELDS: list[dict[str, Any]] = [
    {"type": "textfield", "label": "Name", "key": "name"},
    {"type": "textarea", "label": "Story", "key": "story"},
    {"type": "number", "label": "Guests", "key": "guests"},
    {"type": "number", "label": "Price", "key": "price", "decimalDigits": 2, "serializeToString": True},
    {"type": "checkbox", "label": "Agreed", "key": "agreed"},
    {"type": "checkbox", "label": "Hungry", "key": "hungry"},
    {"type": "checklist", "label": "Toppings", "key": "toppings", "values": among("cheese", "ham", "basil")},
    {"type": "radio", "label": "Size", "key": "size", "values": among("small", "large")},
    {"type": "select", "label": "Country", "key": "country", "values": among("france", "italy")},
    {"type": "select", "label": "Town", "key": "town", "searchable": True, "values": among("rome", "milan")},
    {"type": "taglist", "label": "Tags", "key": "tags", "values": among("quick", "cheap", "loud")},
    moment("date", "day", dateLabel="Day"),
    moment("time", "hour", timeLabel="Hour", timeSerializingFormat="utc_normalized"),
    moment("datetime", "moment", dateLabel="From day", timeLabel="From hour", timeSerializingFormat="no_timezone"),
    {"type": "filepicker", "label": "Files", "key": "files"},
    {
        "type": "group",
        "label": "Address",
        "path": "address",
        "components": [{"type": "textfield", "id": "street", "label": "Street", "key": "street"}],
    },
    {
        "type": "dynamiclist",
        "label": "Children",
        "path": "children",
        "defaultRepetitions": 1,
        "allowAddRemove": True,
        "components": [{"type": "textfield", "id": "child", "label": "Child", "key": "child"}],
    },
    {"type": "table", "label": "Orders", "dataSource": "=orders", "columns": [{"label": "What", "key": "what"}]},
    {"type": "expression", "key": "total", "expression": "=guests * 2", "computeOn": "change"},
    {"type": "html", "content": "<p>Some <b>words</b></p>"},
    {"type": "text", "text": "### A heading"},
    {"type": "image", "source": DOT, "alt": "A dot"},
    {"type": "spacer", "height": 20},
    {"type": "separator"},
    {"type": "button", "label": "Begin again", "action": "reset"},
]


def fill(fields: Any, name: str, value: str, place: int = 0) -> None:
    fields.get_by_role("textbox", name=name, exact=True).nth(place).fill(value)


def arrived(work: Any, process_id: str) -> dict[str, Any]:
    """The variables of the one instance of a process."""
    base = f"http://127.0.0.1:{work.broker.broker.http_port}/v2"

    def found(what: str, **filter: str) -> Any:
        return httpx.post(f"{base}/{what}/search", json={"filter": filter, "page": {"limit": 100}}).json()["items"]

    (instance,) = found("process-instances", processDefinitionId=process_id)
    rows = found("variables", processInstanceKey=instance["processInstanceKey"])
    return {row["name"]: json.loads(row["value"]) for row in rows}


def complete(page: Any) -> None:
    page.get_by_role("button", name="Complete task").click()


NAME = {"type": "textfield", "label": "Name", "key": "name"}
FILES = {"type": "filepicker", "label": "Files", "key": "files", "multiple": True}
#: A file that is chosen.
MENU = {"name": "menu.txt", "mimeType": "text/plain", "buffer": b"soup"}
REQUEST_BYTES_MAX = 4 * 1024**2  # bytes of a request


def choose_files(page: Any, *files: dict[str, Any]) -> None:
    page.get_by_role("region", name="Form").locator("input[type=file]").set_input_files([*files])


def sent_files(page: Any) -> list[str]:
    """The names of the files that the browser sends from now on."""
    found: list[str] = []

    def seen(request: Any) -> None:
        if "/documents?name=" in request.url:
            found.append(unquote_plus(request.url.partition("?name=")[2]))

    page.on("request", seen)
    return found


def file_names(references: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["fileName"] for one in references]


def problem_of_files(page: Any) -> Any:
    """What the field of files says is wrong."""
    return page.get_by_role("region", name="Form").locator(".fjs-form-field-filepicker .fjs-form-field-error")
