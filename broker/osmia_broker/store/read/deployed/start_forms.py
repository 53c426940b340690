"""The forms inside of deployed files: of start events, embedded ones, form properties. No table has them, so the file is read."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select

from osmia_broker.base import untrusted_xml
from osmia_broker.model.xml import ACTIVITI, BPMN, ZEEBE, Node, name
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.deployed.form_properties import form_of_properties
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot
from osmia_broker.store.read.sql.tables import columns_of

EMBEDDED = "camunda-forms:bpmn:"  #: the beginning of a form key that names a form inside the model
FILES_MAX = 1_000  # whose forms stay in memory, some 100 bytes each

_ALL = columns_of(ProcessDefinition)
_SOME = _ALL.where(dialect.among(schema.process_definitions.c.key, "keys"))
_CONTENT: Select[Any] = select(schema.resources.c.content).where(schema.resources.c.checksum == bindparam("checksum"))


class StartForm(msgspec.Struct, frozen=True):
    """The reference of a start event to its form."""

    form_id: str  # of a deployed form; empty if it is kept in the model
    binding: str  # latest, deployment or versionTag: the version of the deployed form
    version_tag: str
    embedded: str | None  # the form itself, if the model has it


class Forms(msgspec.Struct, frozen=True):
    """The forms that a file has and refers to."""

    starts: dict[str, StartForm]  # by process id
    embedded: dict[str, dict[str, str]]  # by process id, then by form id
    of_tasks: dict[str, dict[str, str]]  # made from form properties, by process id, then by element id


NONE = Forms({}, {}, {})
MARKS = (b"formDefinition", b"formProperty")  # a file without them has no forms
_kept: "OrderedDict[str, Forms]" = OrderedDict()  # by checksum; a file never changes


async def definitions_with_form(sources: Sources, keys: Iterable[int] | None = None) -> set[int]:
    """Return the keys of the definitions whose start event has a form: of all, or of some."""
    statement, values = (_ALL, {}) if keys is None else (_SOME, {"keys": dialect.array(keys)})
    async with sources.database.snapshot() as snapshot:
        definitions = await snapshot.rows(ProcessDefinition, statement, values)
        return {one.key for one in definitions if await start_form(snapshot, one) is not None}


async def start_form(snapshot: Snapshot, definition: ProcessDefinition) -> StartForm | None:
    """Return the form of the start event of *definition*; None if it has none."""
    return (await _forms(snapshot, definition)).starts.get(definition.bpmn_process_id)


async def embedded_form(snapshot: Snapshot, definition: ProcessDefinition, id: str) -> str | None:
    """Return the form that the model of *definition* has under this id; None if it has none."""
    return (await _forms(snapshot, definition)).embedded.get(definition.bpmn_process_id, {}).get(id)


async def form_of_element(snapshot: Snapshot, definition: ProcessDefinition, element_id: str) -> str | None:
    """Return the form that is made of the form properties of a user task; None if it has none."""
    return (await _forms(snapshot, definition)).of_tasks.get(definition.bpmn_process_id, {}).get(element_id)


async def _forms(snapshot: Snapshot, definition: ProcessDefinition) -> Forms:
    if definition.checksum not in _kept:
        found = await snapshot.values(_CONTENT, {"checksum": definition.checksum})
        content = found[0][0] if found else b""
        has_forms = type(content) is bytes and any(mark in content for mark in MARKS)
        _kept[definition.checksum] = _forms_in(content) if has_forms else NONE
        while len(_kept) > FILES_MAX:
            _kept.popitem(last=False)
    return _kept.get(definition.checksum, NONE)


def _forms_in(content: bytes) -> Forms:
    try:
        root = untrusted_xml.read(content)
    except untrusted_xml.Unreadable:  # the broker would not have taken it
        return NONE
    starts: dict[str, StartForm] = {}
    embedded_by_process: dict[str, dict[str, str]] = {}
    of_tasks: dict[str, dict[str, str]] = {}
    for process in root.iterchildren(name(BPMN, "process")):
        embedded = {node.get("id", ""): node.text or "" for node in process.iter(name(ZEEBE, "userTaskForm"))}
        embedded_by_process[process.get("id", "")] = embedded
        of_tasks[process.get("id", "")] = {
            task.get("id", ""): form_of_properties(task.get("id", ""), properties)
            for task in process.iter(name(BPMN, "userTask"))
            if (properties := [*task.iter(name(ACTIVITI, "formProperty"))])
        }
        for event in process.iterchildren(name(BPMN, "startEvent")):
            if (form := _form_of_start(event, embedded)) is not None:
                starts[process.get("id", "")] = form
    return Forms(starts, embedded_by_process, of_tasks)


def _form_of_start(event: Node, embedded: dict[str, str]) -> StartForm | None:
    found = None
    if properties := [*event.iter(name(ACTIVITI, "formProperty"))]:
        made = form_of_properties(event.get("id", ""), properties)
        found = StartForm(event.get("id", ""), "latest", "", made)
    for node in event.iter(name(ZEEBE, "formDefinition")):
        form_key = node.get("formKey", "").removeprefix(EMBEDDED)
        form = StartForm(
            form_id=node.get("formId", ""),
            binding=node.get("bindingType", "latest"),
            version_tag=node.get("versionTag", ""),
            embedded=embedded.get(form_key),
        )
        if form.form_id or form.embedded is not None:
            found = form
    return found
