"""The demo without a person: it plays every part itself, kills the broker in between, and checks the effect of each step."""

from typing import TYPE_CHECKING, Any

from osmia_broker.cli.demo.broker import deploy_dinner, print_step, ready_after, write
from osmia_broker.cli.demo.picture import Picture
from osmia_broker.cli.failures import Exit, Failure

if TYPE_CHECKING:
    from osmia import Job, SyncClient
    from osmia.results import ProcessInstance
    from osmia_broker.running.child import ChildBroker

DECIDE, EAT = "decide", "eat"
QUESTION, ANSWER = "What's for dinner?", "pizza"
HOLD_MS = 60_000  # of a job; the demo completes it at once


class PlayedDemo:
    """One run of the example. Each step acts, checks the effect, and prints both."""

    def __init__(self, client: "SyncClient", broker: "ChildBroker", *, is_colored: bool) -> None:
        self._client = client
        self._picture = Picture(client, is_colored=is_colored)
        self._broker = broker
        self._instance_key = 0

    def play(self) -> None:
        """Play all steps in order.

        Raises:
            Failure: a step did not have its effect.
        """
        process_id = deploy_dinner(self._client)
        self._instance_key = self._client.create_instance(process_id).key
        print_step("started", str(self._instance_key))
        self._expect_token(DECIDE, "waits at")
        self._picture.show(self._instance_key)
        self._decide()
        self._expect_token(EAT, "moved to")
        self._picture.show(self._instance_key)
        self._expect_variable("dinner", ANSWER)
        self._pull_the_plug()
        self._expect_token(EAT, "still waits at")
        self._eat()
        self._expect_completed()

    def _decide(self) -> None:
        """Complete the first task with the answer to its question."""
        job = self._take(DECIDE)
        groups = f" (for the group {', '.join(job.candidate_groups)})" if job.candidate_groups else ""
        print_step("taken", f"job {job.key}{groups}")
        write(f"\n  {QUESTION} {ANSWER}   (nobody is at the terminal: the demo answers)\n")
        self._client.complete_job(job.key, {"dinner": ANSWER})
        print_step("completed", f'dinner = "{ANSWER}"')

    def _eat(self) -> None:
        job = self._take(EAT)
        self._client.complete_job(job.key)
        print_step("completed", f"job {job.key}")

    def _pull_the_plug(self) -> None:
        """Kill the broker and start it again: acknowledged work survives."""
        self._broker.kill()
        took = ready_after(self._broker)
        print_step("killed", f"the broker with SIGKILL; ready again in {took:.1f} s on the same data")

    def _take(self, element_id: str) -> "Job":
        """Take the job of this instance; give back the jobs of other instances, if a kept directory holds some."""
        from osmia import USER_TASK_TYPE

        mine: Job | None = None
        while mine is None:
            jobs = self._client.activate_jobs(
                USER_TASK_TYPE, worker="demo", max_jobs=100, timeout_ms=HOLD_MS, wait_ms=5_000
            )
            _expect(bool(jobs), f"a job at '{element_id}'", "none")
            for job in jobs:
                if (job.process_instance_key, job.element_id) == (self._instance_key, element_id):
                    mine = job
                else:
                    self._client.fail_job(job.key, retries=job.retries, message="given back by the demo")
        return mine

    def _expect_token(self, element_id: str, verb: str) -> None:
        instance = self._instance()
        places = [element.element_id for element in instance.elements]
        _expect(places == [element_id], f"the token at '{element_id}'", f"it at {places} ({instance.state})")
        print_step("token", f'{verb} "{instance.elements[0].element_name or element_id}"')

    def _expect_variable(self, name: str, value: Any) -> None:
        found = {one.name: one.value for one in self._client.search_variables(self._instance_key).items}
        _expect(found.get(name) == value, f"variable {name} = {value!r}", f"{found.get(name)!r}")

    def _expect_completed(self) -> None:
        instance = self._instance()
        _expect(instance.state == "COMPLETED" and not instance.elements, "the instance completed", instance.state)
        self._picture.show(self._instance_key)
        write(f"  Done: instance {self._instance_key} completed. Its token survived the death of the broker.")

    def _instance(self) -> "ProcessInstance":
        return self._client.get_instance(self._instance_key)


def _expect(holds: bool, expected: str, found: str) -> None:
    if not holds:
        raise Failure(Exit.DEFECT, f"Expected {expected}, but found {found}.", code="UNEXPECTED")
