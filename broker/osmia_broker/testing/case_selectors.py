"""The selectors of test cases in JSON: which instance, job, task or element an instruction means."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from osmia.results import JobInfo, JobState
from osmia_broker.base import untrusted_xml
from osmia_broker.state.rows import Incident
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.testing.view import View

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker
    from osmia_broker.testing.instance import Instance

EXAMPLE = "camundaModeler:exampleOutputJson"  #: the property in which the Modeler keeps example data of an element
OPEN = frozenset({JobState.ACTIVATABLE, JobState.ACTIVATED})

Selector = Mapping[str, Any]


def instance_of(broker: "Broker", instruction: Mapping[str, Any]) -> "Instance":
    """Return the newest process instance that the instruction selects."""
    __tracebackhide__ = True
    return broker.instance(instruction["processInstanceSelector"]["processDefinitionId"])


def elements_of(selectors: Iterable[Selector]) -> list[str]:
    """Return the ids or the names of the selected elements."""
    return [one["elementId"] if "elementId" in one else one["elementName"] for one in selectors]


async def job_of(broker: "Broker", selector: Selector) -> JobInfo:
    """Return the oldest job that the selector fits and that can be completed."""
    jobs = await _jobs(broker, type=selector.get("jobType", ""))
    found = [job for job in jobs if job.state in OPEN and _fits(job, selector)]
    if not found:
        raise AssertionError(f"Expected an open job of {dict(selector)}, but found {_listed(jobs, OPEN)}")
    return found[0]


def task_of(broker: "Broker", selector: Selector, *, is_open: bool = False) -> UserTask:
    """Return the newest user task that the selector fits; with *is_open* the oldest one that has not ended."""
    definitions = {one.key: one.bpmn_process_id for one in broker.view.definitions()}

    def fits(task: UserTask) -> bool:
        fields = {
            "elementId": task.element_id,
            "taskName": task.name,
            "processDefinitionId": definitions[task.process_definition_key],
        }
        return all(fields[name] == wanted for name, wanted in selector.items())

    tasks = broker.view.rows(UserTask)
    found = [task for task in tasks if fits(task) and not (is_open and task.ended_ms)]
    if not found:
        others = ", ".join(f"'{task.element_id}'" for task in tasks if not task.ended_ms) or "none"
        raise AssertionError(f"Expected a user task of {dict(selector)}, but found {others}")
    return found[0] if is_open else found[-1]


def fitting_incidents(broker: "Broker", selector: Selector) -> list[Incident]:
    """Return the incidents that the selector fits, open and resolved ones, oldest first."""
    definitions = {one.key: one.bpmn_process_id for one in broker.view.definitions()}
    return [
        row
        for row in broker.view.rows(Incident)
        if selector.get("elementId") in (None, row.element_id)
        and selector.get("processDefinitionId") in (None, definitions[row.process_definition_key])
    ]


async def _jobs(broker: "Broker", **filters: Any) -> list[JobInfo]:
    """Return jobs, oldest first."""
    jobs: list[JobInfo] = []
    after = ""
    while True:
        page = await broker.client.search_jobs(limit=1000, after=after, **filters)
        jobs += page.items
        after = page.next
        if not after:
            return jobs[::-1]


def _fits(job: JobInfo, selector: Selector) -> bool:
    fields = {"jobType": job.type, "elementId": job.element_id, "processDefinitionId": job.bpmn_process_id}
    return all(fields[name] == wanted for name, wanted in selector.items())


def _listed(jobs: list[JobInfo], states: frozenset[JobState]) -> str:
    return ", ".join(f"'{job.element_id}'" for job in jobs if job.state in states) or "none"


def example_data(view: View, process_definition_key: int, element_id: str) -> Any:
    """Return the example data that the model has for an element.

    Raises:
        AssertionError: it has none.

    """
    [definition] = [one for one in view.definitions() if one.key == process_definition_key]
    root = untrusted_xml.read(view.resource(definition))
    values = [
        one.get("value")
        for element in root.iter("{*}*")
        if element.get("id") == element_id
        for one in element.iterfind("./{*}extensionElements/{*}properties/{*}property")
        if one.get("name") == EXAMPLE
    ]
    if not values:
        raise AssertionError(f"Expected example data of '{element_id}', but found no property '{EXAMPLE}' in its model")
    return json.loads(str(values[0]))
