"""The deployed files, as they were deployed, and the forms of tasks and start events."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select

from osmia_broker.base import text_files
from osmia_broker.state.rows import Decision, DecisionRequirements, Form, ProcessDefinition
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.deployed.start_forms import EMBEDDED, embedded_form, form_of_element, start_form
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.fields import TENANT_ID
from osmia_broker.store.read.sources import Sources, no_such, of_cluster, of_key, question
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot
from osmia_broker.store.read.sql.tables import columns_of, readable

_form, _task = schema.TABLES[Form], schema.TABLES[UserTask]
_graph, _decision = schema.TABLES[DecisionRequirements], schema.TABLES[Decision]
_resource = schema.resources


class Content(msgspec.Struct, frozen=True):
    """A deployed file."""

    name: str
    content: bytes


def _one(row_type: type) -> Select[Any]:
    return columns_of(row_type).where(schema.TABLES[row_type].c.key == bindparam("key"))


def _content(row_type: type) -> Select[Any]:
    table = schema.TABLES[row_type]
    joined = table.join(_resource, _resource.c.checksum == table.c.checksum)
    return select(table.c.resource_name, _resource.c.content).select_from(joined).where(table.c.key == bindparam("key"))


_DEFINITION, _FORM, _TASK = _one(ProcessDefinition), _one(Form), _one(UserTask)
_PROCESS_FILE, _GRAPH_FILE, _FORM_FILE = _content(ProcessDefinition), _content(DecisionRequirements), _content(Form)
_DECISION_FILE = (
    select(_graph.c.resource_name, _resource.c.content)
    .select_from(
        _decision.join(_graph, _graph.c.key == _decision.c.decision_requirements_key).join(
            _resource, _resource.c.checksum == _graph.c.checksum
        )
    )
    .where(_decision.c.key == bindparam("key"))
)
_LATEST_FORM = (
    columns_of(Form)
    .where(_form.c.form_id == bindparam("form_id"), _form.c.deleted_ms == 0)
    .order_by(_form.c.version.desc())
    .limit(1)
)
_FORM_OF_DEPLOYMENT = columns_of(Form).where(
    _form.c.form_id == bindparam("form_id"), _form.c.deployment_key == bindparam("deployment_key")
)
_FORM_OF_TAG = (
    columns_of(Form)
    .where(_form.c.form_id == bindparam("form_id"), _form.c.version_tag == bindparam("version_tag"))
    .order_by(_form.c.version.desc())
    .limit(1)
)
_FILES = {
    "process definition": (_PROCESS_FILE,),
    "decision definition": (_DECISION_FILE,),
    "decision requirements": (_GRAPH_FILE,),
    "resource": (_PROCESS_FILE, _GRAPH_FILE, _FORM_FILE),
}


_CONTENTS = select(_resource.c.checksum, _resource.c.content).where(dialect.among(_resource.c.checksum, "checksums"))


@question(of_cluster)
async def contents_of(sources: Sources, checksums: Iterable[str]) -> dict[str, bytes]:
    """Return the deployed files of these checksums, as far as they are there."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_CONTENTS, {"checksums": dialect.array(checksums)})
    return {checksum: content for checksum, content in found if isinstance(content, bytes)}


@question(of_cluster)
async def content_of(sources: Sources, noun: str, key: int) -> Content:
    """Return the file from which something with this key was made. *noun* is one of the names in `_FILES`.

    Raises:
        NotFound: there is none with this key.

    """
    async with sources.database.snapshot() as snapshot:
        for statement in _FILES[noun]:
            found = await snapshot.values(statement, {"key": key})
            if found:
                return Content(*found[0])
    raise no_such(noun, key)


@question(of_cluster)
async def form(sources: Sources, key: int) -> Item:
    """Return a deployed form.

    Raises:
        NotFound: there is none with this key.

    """
    async with sources.database.snapshot() as snapshot:
        found = await _deployed(snapshot, _FORM, {"key": key})
    if found is None:
        raise no_such("form", key)
    return found


@question(of_key("key"))
async def form_of_task(sources: Sources, key: int) -> Item | None:
    """Return the form of a user task: a deployed one, one inside its model, or one made of form properties; None if it has none here.

    A form key that is text (as the Activiti dialect has it) stands for the deployed form with this id.

    Raises:
        NotFound: there is no task with this key.

    """
    async with sources.database.snapshot() as snapshot:
        tasks = readable(UserTask, await snapshot.values(_TASK, {"key": key}))
        if not tasks:
            raise no_such("user task", key)
        task = tasks[0]
        if task.form_key:
            return await _deployed(snapshot, _FORM, {"key": task.form_key})
        if task.external_form and not task.external_form.startswith(EMBEDDED):
            return await _deployed(snapshot, _LATEST_FORM, {"form_id": task.external_form})
        definition = await _definition(snapshot, task.process_definition_key)
        if definition is None:
            return None
        id = task.external_form.removeprefix(EMBEDDED) or task.element_id
        text = await (embedded_form if task.external_form else form_of_element)(snapshot, definition, id)
        return None if text is None else _item(definition, id, text)


@question(of_cluster)
async def form_of_start(sources: Sources, key: int) -> Item | None:
    """Return the form of the start event of a process definition; None if it has none.

    Raises:
        NotFound: there is no definition with this key.

    """
    async with sources.database.snapshot() as snapshot:
        definition = await _definition(snapshot, key)
        if definition is None:
            raise no_such("process definition", key)
        asked = await start_form(snapshot, definition)
        if asked is None:
            return None
        if asked.embedded is not None:
            return _item(definition, asked.form_id or definition.bpmn_process_id, asked.embedded)
        if asked.binding == "deployment":
            wanted = {"form_id": asked.form_id, "deployment_key": definition.deployment_key}
            return await _deployed(snapshot, _FORM_OF_DEPLOYMENT, wanted)
        if asked.binding == "versionTag":
            return await _deployed(snapshot, _FORM_OF_TAG, {"form_id": asked.form_id, "version_tag": asked.version_tag})
        return await _deployed(snapshot, _LATEST_FORM, {"form_id": asked.form_id})


async def _definition(snapshot: Snapshot, key: int) -> ProcessDefinition | None:
    found = await snapshot.rows(ProcessDefinition, _DEFINITION, {"key": key})
    return found[0] if found else None


async def _deployed(snapshot: Snapshot, statement: Select[Any], values: dict[str, Any]) -> Item | None:
    found = await snapshot.rows(Form, statement, values)
    if not found:
        return None
    row = found[0]
    files = await snapshot.values(_FORM_FILE, {"key": row.key})
    text = text_files.decoded(files[0][1], errors="replace") if files else ""
    return _item(row, row.form_id, text)


def _item(row: Form | ProcessDefinition, id: str, text: str) -> Item:
    """Make the item of a form. One that the model has is without key and version of its own, so it has those of its definition."""
    return {"formKey": str(row.key), "formId": id, "version": row.version, "schema": text, "tenantId": TENANT_ID}
