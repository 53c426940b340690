"""Read what a person types into a task from the fields of the page, check it, and make it into the variables of a completion."""

import json
from dataclasses import dataclass, field

import msgspec

from osmia_broker.http.web.json_texts import json_fault, object_in
from osmia_broker.http.web.task_view import Draft, digest
from osmia_broker.http.web.visit import Visit

VALUE, WAS = "value:", "was:"
NO_NAME = "Give the variable a name."
TWICE = "This name stands twice."


@dataclass(slots=True)
class Input:
    """The input of one request, with what is wrong in it."""

    draft: Draft
    problems: dict[str, str] = field(default_factory=dict)  # by name of a variable that is shown
    added_problems: dict[int, str] = field(default_factory=dict)  # by place among the new ones

    @property
    def has_problems(self) -> bool:
        """Whether anything in it is wrong."""
        return bool(self.problems or self.added_problems)

    @property
    def document(self) -> str:
        """The variables as a JSON object: numbers and texts pass exactly as they were typed."""
        form = {name: msgspec.json.encode(value).decode() for name, value in self.draft.form.items()}
        texts = form | self.draft.values | dict(self.draft.added)
        return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items()) + "}"


async def read_input(visit: Visit) -> Input:
    """Read the fields of the editor and of the form. A value that was not changed is left out."""
    fields = await visit.form()
    values, problems = {}, {}
    for name, text in fields.multi_items():
        if not name.startswith(VALUE) or not isinstance(text, str):
            continue
        variable, typed = name.removeprefix(VALUE), text.replace("\r\n", "\n")
        was = fields.get(WAS + variable)
        if digest(typed) == was:
            continue
        values[variable] = typed
        fault = json_fault(typed)
        if fault is not None:
            problems[variable] = str(fault)
    draft = Draft(values, [], object_in(await visit.field("form-values")))
    found = Input(draft, problems)
    names, texts = await visit.fields("added-name"), await visit.fields("added-value")
    _read_added(found, list(zip(names, texts, strict=False)))
    return found


def _read_added(found: Input, rows: list[tuple[str, str]]) -> None:
    taken = set(found.draft.values)
    for raw, typed in rows:
        name, text = raw.strip(), typed.replace("\r\n", "\n")
        if not name and not text.strip():
            continue
        problem = NO_NAME if not name else TWICE if name in taken else str(json_fault(text) or "")
        if problem:
            found.added_problems[len(found.draft.added)] = problem
        found.draft.added.append((name, text))
        taken.add(name)
