"""The state of a process instance as a text for the one who reads a failed test."""

from typing import Any

import msgspec

from osmia_broker.base.counted import counted
from osmia_broker.model import Process
from osmia_broker.state.rows import ElementInstance, Incident, Job, JobState
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.testing.clock import moment
from osmia_broker.testing.view import View, finished, standing

VALUE_CHARACTERS = 200  # of a variable; more hides the others
PASSED_MAX = 30  # elements; the last ones say where it went


def story(view: View, process: ElementInstance) -> str:
    """Return where the tokens stand, the way they took, the variables, the incidents, the open tasks and jobs."""
    visits = view.visits(process.key)
    lines = [
        *_lines("stands at", [_place(row) for row in standing(visits)] or [_end(process)]),
        *_lines("passed", [_way(visits)]),
        *_lines("variables", _variables(view, process, visits)),
        *_lines("incidents", [_incident(row) for row in view.incidents(process.key)]),
        *_lines("open tasks", [_task(row) for row in view.tasks(process_instance_key=process.key)]),
        *_lines("open jobs", [_job(view, row) for row in view.jobs(process_instance_key=process.key)]),
    ]
    return "\n".join(lines)


def _lines(title: str, texts: list[str]) -> list[str]:
    return [f"  {title if not place else '':<11} {text}" for place, text in enumerate(texts or ["-"])]


def _place(row: ElementInstance) -> str:
    since = f"since {moment(row.started_ms).isoformat(timespec='seconds').replace('+00:00', 'Z')}"
    loop = f" no. {row.loop_counter}" if row.loop_counter else ""
    return f"{row.element_id}{loop} ({row.type}, {row.state}) {since}"


def _end(process: ElementInstance) -> str:
    return f"nothing: it is {process.state}"


def _way(visits: list[ElementInstance]) -> str:
    ids = [row.element_id for row in finished(visits)]
    shown = ids[-PASSED_MAX:]
    return (f"… {len(ids) - len(shown)} more, " if len(shown) < len(ids) else "") + ", ".join(shown) or "nothing yet"


def _variables(view: View, process: ElementInstance, visits: list[ElementInstance]) -> list[str]:
    lines = [f"{name} = {short(value)}" for name, value in view.variables(process.key).items()]
    for row in visits:
        if not row.ended_ms:
            local = view.variables(row.key).items()
            lines += [f"{name} = {short(value)}   (only in {row.element_id})" for name, value in local]
    return lines


def _incident(row: Incident) -> str:
    return f"{row.error_type} at {row.element_id}: {row.message}"


def _task(row: UserTask) -> str:
    groups = ", ".join(msgspec.json.decode(row.candidate_groups))
    whose = f"of {row.assignee}" if row.assignee else f"for {groups}" if groups else "of nobody"
    return f"{row.element_id} ({row.state}) {whose}"


def _job(view: View, row: Job) -> str:
    failed = f", {row.retries} retries left, failed with: {row.error_message}" if row.error_message else ""
    is_next = row.state == JobState.ACTIVATABLE and view.has_handler(row)
    hint = "; a handler takes it with the next call, such as settle()" if is_next else ""
    return f"{row.type} at {row.element_id} ({row.state}{failed}){hint}"


def short(value: Any) -> str:
    """Return *value* as JSON, cut if it is long."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}… ({counted(len(text), 'character')})"


def names_of(model: Process) -> dict[str, str]:
    """Return the ids of a model's elements by their names."""
    return {element.name: element.id for element in model.elements.values() if element.name}
