"""One random model on its stage: what every act needs, with a record of all that was done.

`acts` has what is done at random, `last_acts` what brings every instance to its end, and `invariants` what holds at any moment.
"""

from collections.abc import Callable
from typing import Any

from osmia_broker.base.errors import OsmiaError, Rejection, StoreFailed
from osmia_broker.engine import commands
from osmia_broker.engine.commands import AdHocResult, ElementToActivate, NewResource
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.state.rows import ElementInstance, Incident, Job, JobKind
from tests.simulation.model_files import compiled, of_twin, own_id
from tests.simulation.models import Model
from tests.simulation.stage import Stage

#: What nothing has to wait for: a person who repairs an instance sets these.
GOOD = {"k": '"1"', "x": "1", "items": "[1,2]"}


class Played:
    """One model on its stage, with what was done to it."""

    def __init__(self, stage: Stage, model: Model, files: tuple[NewResource, ...], said: list[str]) -> None:
        self.stage, self.model, self.files, self.said, self.chance = stage, model, files, said, model.chance
        named = {id for pair in model.ad_hoc.values() for id in pair}
        self.good = {**GOOD, **{id: f'"{id}"' for id in sorted(named | set(map(of_twin, named)))}}
        self.elements = compiled(model).elements
        self.ids = [id for id in self.elements if id != "process"]
        self.idle = model.idle | set(map(of_twin, model.idle))

    async def do(self, line: str, command: commands.Command) -> bool:
        """Send a command; return whether it was done. It may be refused, and the store may fail; anything else is a fault."""
        return await self.ask(line, command) is not self

    async def ask(self, line: str, command: commands.Command) -> Any:
        """Send a command; return its answer. This object itself stands for none: it may be refused, and the store may fail."""
        self.said.append(line)
        try:
            return await self.stage.do(command)
        except (Rejection, StoreFailed) as refusal:
            self.said.append(f"    {refusal}"[:300])
            return self
        except OsmiaError as fault:
            raise AssertionError(f"a defect: {fault!r}") from fault

    async def judged(self) -> None:
        """Judge the rows, when nothing is left to do now."""
        await self.stage.settled()
        self.stage.check(self.idle)

    def some(self, row_type: type, which: Callable[[Any], bool] = lambda _: True) -> Any:
        """A living row, or None."""
        rows = [row for row in self.stage.living(row_type) if which(row)]
        return self.chance.choice(rows) if rows else None

    def number(self) -> dict[str, str]:
        """A document that decides which ways are taken."""
        return {"x": str(self.chance.choice([1, 5, 7]))}

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    # --- what both the random acts and the last ones do

    async def complete_job(self, job: Job, variables: dict[str, str], *, is_last: bool = False) -> None:
        """Complete a job of any kind. The worker of an ad-hoc subprocess activates elements, unless this *is_last*."""
        result = task_result = None
        if job.kind is JobKind.AD_HOC_SUB_PROCESS and (is_last or self.maybe(0.4)):
            result = AdHocResult(is_completion_condition_fulfilled=True, cancels_remaining_instances=is_last)
        elif job.kind is JobKind.AD_HOC_SUB_PROCESS:
            ids = self.chance.choices(self.inside(job.element_id), k=self.chance.randint(1, 2))
            result = AdHocResult(
                tuple(ElementToActivate(id, {}) for id in ids), cancels_remaining_instances=self.maybe(0.2)
            )
        elif job.kind is JobKind.TASK_LISTENER and not is_last:
            is_denied = self.maybe(0.3)
            task_result = TaskListenerResult(
                denied=is_denied, denied_reason="no", corrections={} if is_denied else {"priority": 9}
            )
        if job.kind is JobKind.TASK_LISTENER:
            variables = {}
        more = f" {result or task_result}" if result or task_result else ""
        await self.do(
            f"complete {job.element_id} {told(variables)}{more}",
            commands.CompleteJob(
                job.key, variables, result=result, task_result=task_result, lease_token=job.lease_token
            ),
        )

    def inside(self, ad_hoc_id: str) -> list[str]:
        """The elements that can be activated in an ad-hoc subprocess."""
        own = self.model.ad_hoc.get(own_id(ad_hoc_id), ("nothing",))
        return [id if ad_hoc_id in self.elements else of_twin(id) for id in own]

    async def publish(self, name: str, key: str = "1", ttl_ms: int = 0) -> None:
        await self.do(
            f"publish {name} key={key} ttl={ttl_ms}", commands.PublishMessage(name, key, ttl_ms, "", {"p": "1"})
        )

    async def signal(self, name: str) -> None:
        await self.do(f"signal {name}", commands.BroadcastSignal(name, {}))

    async def advance(self, ms: int) -> None:
        self.said.append(f"advance {ms}")
        await self.stage.advance(ms)

    async def resolve(self, incident: Incident) -> None:
        element = self.stage.row(ElementInstance, incident.element_instance_key)
        await self.do(
            f"set {element.element_id} {told(self.good)}", commands.SetVariables(element.key, self.good, False)
        )
        if incident.job_key:
            await self.do(f"retries {element.element_id} 1", commands.UpdateJobRetries(incident.job_key, 1))
        await self.do(f"resolve {element.element_id}", commands.ResolveIncident(incident.key))

    async def activate_in(self, element: ElementInstance, variables: dict[str, str], *, cancels: bool) -> None:
        """Activate something in an ad-hoc subprocess."""
        ids = self.inside(element.element_id)[: self.chance.randint(1, 2)]
        wanted = tuple(ElementToActivate(id, variables) for id in ids)
        await self.do(
            f"activate in {element.element_id}: {ids}", commands.ActivateAdHocElements(element.key, wanted, cancels)
        )


def is_process(row: ElementInstance) -> bool:
    return row.type == "PROCESS"


def told(variables: dict[str, str]) -> str:
    """Variables as a scenario has them; the ids of ad-hoc elements are left out."""
    return " ".join(f"{name}={value}" for name, value in variables.items() if f'"{name}"' != value)
