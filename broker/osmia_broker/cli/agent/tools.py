"""The tools that `osmia mcp` gives to an agent: what they do, without the protocol.

An agent calls the broker as anybody does: with the sign-in of the command, or as the person that `--user` names, under the task policy. Keys are
texts, because many clients read numbers of 64 bits wrongly.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.cli.rows import instance_row, task_row

if TYPE_CHECKING:
    from osmia import Client

TASKS_MAX = 50  #: of one answer; an agent reads every one of them
INSTANCES_MAX = 50


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The tools of one agent, as *user* with *groups*. Each public method is a tool; its docstring is what the agent reads."""

    client: "Client"
    user: str = ""
    groups: Sequence[str] = ()

    @property
    def _who(self) -> dict[str, Any]:
        return {"user": self.user, "groups": self.groups}

    # --- tasks

    async def list_tasks(self, query: str = "", limit: int = 20) -> dict[str, Any]:
        """List open tasks for people. The query is that of the task list, for example: group:finance due:<2d amount:>1000 is:unassigned sort:due."""
        page = await self.client.user_tasks.search(
            query=query or "is:open", limit=max(1, min(limit, TASKS_MAX)), **self._who
        )
        return {"tasks": [task_row(one) for one in page.items], "total": page.total}

    async def get_task(self, task_key: str) -> dict[str, Any]:
        """Read one task: its people and dates, its variables, its form, its comments and what was proposed for it."""
        key, desk = as_key(task_key), self.client.user_tasks
        task = await desk.get(key, **self._who)
        form = None if task.completion_date else await desk.form(key, **self._who)
        return {
            "task": task_row(task),
            "variables": await desk.variables(key, **self._who),
            "form": form.schema if form else None,
            "comments": [asdict(one) | {"key": str(one.key)} for one in await desk.comments(key, **self._who)],
            "proposals": [
                asdict(one) | {"key": str(one.key), "user_task_key": str(one.user_task_key)}
                for one in await desk.proposals(key, **self._who)
            ],
        }

    async def claim_task(self, task_key: str) -> str:
        """Take a free task, so that nobody else works on it."""
        await self.client.user_tasks.claim(as_key(task_key), **self._who)
        return f"Claimed {task_key}"

    async def claim_next_task(self, process_id: str = "") -> dict[str, Any]:
        """Take the best free task of this agent and its groups: due first, then by priority, then the oldest."""
        task = await self.client.user_tasks.claim_next(bpmn_process_id=process_id, **self._who)
        return {"task": None if task is None else task_row(task)}

    async def unclaim_task(self, task_key: str) -> str:
        """Give a task back."""
        await self.client.user_tasks.unclaim(as_key(task_key), **self._who)
        return f"Gave {task_key} back"

    async def comment_task(self, task_key: str, text: str) -> str:
        """Write a comment beside a task."""
        await self.client.user_tasks.comment(as_key(task_key), text, **self._who)
        return f"Commented {task_key}"

    async def propose_for_task(
        self, task_key: str, variables: dict[str, Any], outcome: str = "", reason: str = ""
    ) -> dict[str, str]:
        """Propose values for a task and say why. A person sees them as a difference and accepts, edits, answers or ignores them."""
        made = await self.client.user_tasks.propose(
            as_key(task_key), variables, outcome=outcome, text=reason, **self._who
        )
        return {"proposalKey": str(made)}

    async def complete_task(self, task_key: str, variables: dict[str, Any] | None = None) -> str:
        """Complete a task; the process goes on with the variables. Prefer propose_for_task where a person should decide."""
        await self.client.user_tasks.complete(as_key(task_key), variables or {}, **self._who)
        return f"Completed {task_key}"

    # --- processes

    async def list_processes(self) -> dict[str, Any]:
        """List the processes that can be started."""
        page = await self.client.search_definitions(latest_only=True)
        newest = {one.bpmn_process_id: one for one in sorted(page.items, key=lambda one: one.version)}
        return {
            "processes": [
                {"processId": one.bpmn_process_id, "name": one.name, "version": one.version} for one in newest.values()
            ]
        }

    async def start_process(self, process_id: str, variables: dict[str, Any] | None = None) -> dict[str, str]:
        """Start an instance of a process."""
        created = await self.client.create_instance(process_id, variables or {})
        return {"processInstanceKey": str(created.key)}

    async def list_instances(self, process_id: str = "", only_with_incident: bool = False) -> dict[str, Any]:
        """List the newest process instances, each with the elements that hold its tokens."""
        page = await self.client.search_instances(
            bpmn_process_id=process_id, has_incident=True if only_with_incident else None, limit=INSTANCES_MAX
        )
        return {"instances": [instance_row(one) for one in page.items]}

    async def get_instance(self, instance_key: str) -> dict[str, Any]:
        """Read one process instance: its state, where its tokens stand, its variables and its open incidents."""
        key = as_key(instance_key)
        instance = await self.client.get_instance(key)
        variables = await self.client.search_variables(key)
        incidents = await self.client.search_incidents(process_instance_key=key)
        return {
            "instance": instance_row(instance),
            "variables": {one.name: one.value for one in variables.items if one.scope_key == key},
            "incidents": [{"elementId": one.element_id, "message": one.message} for one in incidents.items],
        }


#: The tools that change nothing, by name; all others do.
READING = frozenset({"list_tasks", "get_task", "list_processes", "list_instances", "get_instance"})
NAMES = tuple(name for name in vars(AgentTools) if not name.startswith("_") and callable(vars(AgentTools)[name]))


def as_key(text: str) -> int:
    """Read a key.

    Raises:
        ValueError: it is none.
    """
    key = whole_number(text)
    if not key:
        raise ValueError(f"Expected a key, but found '{text[:100]}'")
    return key
