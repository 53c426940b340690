"""Everybody in the process `dinner`, as a worker: the cook who decides and the guest who eats.

    osmia broker                          in one terminal
    python examples/dinner.py             in another

deploys dinner.bpmn, starts an instance and works on its two user tasks until Ctrl-C. The address of another gateway is taken
from OSMIA_ADDRESS. A user task is a job like any other here: what a handler returns becomes the task's variables.
"""

import asyncio
import random
from pathlib import Path

from osmia import BpmnError, Client, Job, Worker

MODEL = Path(__file__).with_name("dinner.bpmn")
DISHES = ["lentil soup", "pizza", "risotto"]


def handlers(client: Client) -> Worker:
    """A worker that decides and eats."""
    worker = Worker(client)

    @worker.user_task("decide")
    async def decide(job: Job, guests: int = 2) -> dict[str, str]:
        if guests > 12:
            raise BpmnError("too-many-guests", f"{guests} guests do not fit around the table")
        dish = random.choice(DISHES)  # noqa: S311 - a menu, no secret
        print(f"{' or '.join(job.candidate_groups) or 'somebody'} decided for {guests}: {dish}")
        return {"dinner": dish}

    @worker.user_task("eat")
    def eat(dinner: str = "bread") -> dict[str, bool]:  # not async: runs in a thread
        print(f"{dinner}, eaten")
        return {"tasty": True}

    return worker


async def main() -> None:
    """Deploy, start one dinner, and work until a signal comes."""
    async with Client() as client:
        await client.deploy(MODEL)
        created = await client.create_instance("dinner", {"guests": 4})
        print(f"dinner {created.key} has begun; Ctrl-C ends the worker")
        await handlers(client).run()


if __name__ == "__main__":
    asyncio.run(main())
