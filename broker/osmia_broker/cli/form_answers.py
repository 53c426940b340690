"""Read the form of a user task, and ask at the terminal for each of its fields."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from osmia_broker.cli import streams
from osmia_broker.cli.form_rules import broken_rule, label_of
from osmia_broker.cli.variables import Variables, either

if TYPE_CHECKING:
    from osmia.calls.user_tasks import UserTaskForm

TEXTS = ("textfield", "textarea", "datetime")
CHOICES = ("select", "radio")
LISTS = ("checklist", "taglist")
ASKED = (*TEXTS, *CHOICES, *LISTS, "number", "checkbox")  #: others, such as files and lists of rows, need the page
FILES = "filepicker"
SHOWN_CHARACTERS_MAX = 60  # of the value that a field has
YES, NO = ("yes", "y", "true"), ("no", "n", "false")


def form_fields(form: "UserTaskForm | None") -> list[dict[str, Any]]:
    """Return key, label and type of each input field of a form; empty if there is none, or none that can be read."""
    return [
        {"key": f"{place}{part['key']}", "label": label_of(part) or None, "type": part.get("type") or None}
        for place, part in _placed(form)
        if isinstance(part.get("key"), str)
    ]


def answers(form: "UserTaskForm | None", now: dict[str, Any]) -> Variables:
    """Ask for each field of a form, and return the variables. *now* are those of the task; an empty answer leaves one as it is."""
    given: Variables = {}
    for part in _parts(form):
        key, kind = part.get("key"), part.get("type")
        if not isinstance(key, str) or kind not in ASKED or part.get("disabled") or part.get("readonly"):
            continue
        value = _asked(part, now.get(key))
        if value != "":
            given[key] = value
    return given


@dataclass(frozen=True, slots=True)
class Unasked:
    """A field that a terminal cannot ask for: files, and what is written into a list or an object."""

    named: str  # "Extras (extras)": its label, and its variable
    is_required: bool


def unasked(form: "UserTaskForm | None", now: dict[str, Any]) -> list[Unasked]:
    """Return the fields of a form that `answers` does not ask for.

    None is required that the task has already among its variables, *now*, or that the form shows under a condition only.
    """
    found = []
    for part in _parts(form):
        variable = part.get("path") or (part.get("key") if part.get("type") == FILES else None)
        if isinstance(variable, str) and not part.get("disabled") and not part.get("readonly"):
            label = label_of(part)
            is_required = variable.partition(".")[0] not in now and _is_needed(part)
            found.append(Unasked(f"{label} ({variable})" if label else variable, is_required))
    return found


def _is_needed(part: dict[str, Any]) -> bool:
    """Whether a form needs an answer to this part, or to one inside it."""
    if part.get("conditional"):
        return False
    return _is_required(part) or any(_is_needed(one) for one in _inside(part) if isinstance(one, dict))


def _is_required(part: dict[str, Any]) -> bool:
    rules = part.get("validate")
    return isinstance(rules, dict) and rules.get("required") is True and not part.get("conditional")


def _parts(form: "UserTaskForm | None") -> Iterator[dict[str, Any]]:
    """Yield the components of a form, as they stand on it, without those that are written into an object or a list."""
    return (part for place, part in _placed(form) if not place)


def _placed(form: "UserTaskForm | None") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the components of a form, as they stand on it, each behind the place of its value: `items[].` in a list, `guest.` in an object."""
    try:
        schema = json.loads(form.schema) if form is not None else None
    except ValueError:
        return
    waiting = [("", one) for one in _inside(schema)]
    while waiting:
        place, part = waiting.pop(0)
        if not isinstance(part, dict):
            continue
        yield place, part
        if path := part.get("path"):
            place += f"{path}[]." if part.get("type") == "dynamiclist" else f"{path}."
        waiting[:0] = [(place, one) for one in _inside(part)]


def _inside(part: Any) -> list[Any]:
    parts = part.get("components") if isinstance(part, dict) else None
    return parts if isinstance(parts, list) else []


def _asked(part: dict[str, Any], value: Any) -> Any:
    kind, is_required = part["type"], _is_required(part)
    known = _known(part)
    label = label_of(part) or part["key"]
    hint = "yes or no" if kind == "checkbox" else ", ".join(known) if kind in (*CHOICES, *LISTS) else ""
    present = _typed(kind, value)

    def read(text: str) -> Any:
        text = text.strip()
        if not text:
            if is_required and kind != "checkbox":
                raise typer.BadParameter("an answer is needed here")
            return ""
        answer = _value(kind, text, known)
        if broken := broken_rule(part, text):
            raise typer.BadParameter(broken)
        if text == present.strip():
            return value if isinstance(value, str) else msgspec.Raw(msgspec.json.encode(value))
        return answer

    question = f"{label} ({hint})" if hint else label
    return typer.prompt(
        f"{question} [{_one_line(present)}]" if present else question,
        default=present,
        show_default=False,
        value_proc=read,
        err=True,
    )


def _typed(kind: str, value: Any) -> str:
    """Return the value that a field has, as it would be typed; empty for none."""
    if isinstance(value, list) and kind in LISTS:
        return ", ".join(_typed("", one) for one in value)
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _one_line(text: str) -> str:
    """Return the beginning of *text*, in one line of a terminal. An ellipsis stands for the rest."""
    line = streams.harmless(text.strip().partition("\n")[0])[:SHOWN_CHARACTERS_MAX].rstrip()
    return line if line == text.strip() else f"{line}…"


def _known(part: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a choice, each by the text that it is asked for with; empty if they come from elsewhere."""
    values = part.get("values")
    listed = [one for one in values if isinstance(one, dict) and "value" in one] if isinstance(values, list) else []
    return {one["value"] if isinstance(one["value"], str) else json.dumps(one["value"]): one["value"] for one in listed}


def _value(kind: str, text: str, known: dict[str, Any]) -> Any:
    """Return the variable that *text* stands for.

    Raises:
        BadParameter: the field does not take it; it is asked for again.
    """
    if kind in TEXTS:
        return text
    if kind == "checkbox":
        if text.lower() not in (*YES, *NO):
            raise typer.BadParameter(f"expected yes or no, but found '{text}'")
        return text.lower() in YES
    if kind == "number":
        read = either(text)
        if not isinstance(read, msgspec.Raw) or type(msgspec.json.decode(read)) not in (int, float):
            raise typer.BadParameter(f"expected a number, but found '{text}'")
        return read
    if kind in LISTS:
        return [_choice(one.strip(), known) for one in text.split(",") if one.strip()]
    return _choice(text, known)


def _choice(text: str, known: dict[str, Any]) -> Any:
    if not known:
        return text
    if text not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}, but found '{text}'")
    return known[text]
