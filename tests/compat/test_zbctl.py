"""zbctl, as published: every command of it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compat import builds
from tests.compat.scenarios import write_models
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker, running_broker

pytestmark = pytest.mark.timeout(builds.BUILD_S + 60)

Zbctl = Callable[..., str]


@pytest.fixture
def zbctl(tmp_path: Path) -> Any:
    program = builds.zbctl()
    write_models(tmp_path)
    with running_broker(tmp_path / "data") as broker:
        yield lambda *words, refused=False: _run(program, broker, tmp_path, words, refused)


def _run(program: str, broker: RunningBroker, folder: Path, words: tuple[object, ...], refused: bool) -> str:
    command = [program, "--address", broker.address, "--insecure", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    assert bool(done.returncode) == refused, done.stdout + done.stderr
    return done.stderr if refused else done.stdout


def deploy(zbctl: Zbctl, *files: str) -> Any:
    return json.loads(zbctl("deploy", "resource", *files))["deployments"]


def create(zbctl: Zbctl, process: str, *options: str) -> int:
    return int(json.loads(zbctl("create", "instance", process, *options))["processInstanceKey"])


def activate(zbctl: Zbctl, type: str, *options: str) -> Any:
    [job] = json.loads(zbctl("activate", "jobs", type, "--maxJobsToActivate", 1, *options))["jobs"]
    return job


def test_the_status_shows_a_healthy_leader(zbctl: Zbctl):
    assert "Leader, Healthy" in zbctl("status")


def test_an_instance_is_created_worked_on_and_completed(zbctl: Zbctl):
    [deployed] = deploy(zbctl, "work.bpmn")
    assert deployed["process"]["version"] == 1
    instance = create(zbctl, "work", "--variables", '{"n": 2}')
    job = activate(zbctl, "work")
    assert (int(job["processInstanceKey"]), json.loads(job["variables"])) == (instance, {"n": 2})
    zbctl("update", "retries", job["key"], "--retries", 5)
    zbctl("update", "timeout", job["key"], "--timeout", 60_000)
    zbctl("complete", "job", job["key"], "--variables", '{"m": 3}')
    assert "NOT_FOUND" in zbctl("complete", "job", job["key"], refused=True)


def test_a_failed_job_is_handed_out_again(zbctl: Zbctl):
    deploy(zbctl, "work.bpmn")
    create(zbctl, "work")
    job = activate(zbctl, "work")
    zbctl("fail", "job", job["key"], "--retries", 1, "--errorMessage", "not yet")
    again = activate(zbctl, "work")
    assert (again["key"], again["retries"]) == (job["key"], 1)


@pytest.mark.parametrize("streams", [False, True])
def test_its_worker_works_on_after_a_restart_of_the_broker(tmp_path: Path, streams: bool):
    program = builds.zbctl()
    write_models(tmp_path)
    with running_broker(tmp_path / "data") as broker:
        _run(program, broker, tmp_path, ("deploy", "resource", "work.bpmn"), False)
        options = ["--handler", "cat", *(["--streamEnabled"] if streams else [])]
        command = [program, "--address", broker.address, "--insecure", "create", "worker", "work", *options]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first = finish_one(program, broker, tmp_path)
            broker.restart()
            assert finish_one(program, broker, tmp_path) != first
        finally:
            worker.kill()
            worker.wait()


def finish_one(program: str, broker: RunningBroker, folder: Path) -> int:
    answer = _run(
        program, broker, folder, ("create", "instance", "work", "--withResult", "--requestTimeout", "60s"), False
    )
    return int(json.loads(answer)["processInstanceKey"])


def test_an_error_is_caught(zbctl: Zbctl):
    deploy(zbctl, "error.bpmn")
    create(zbctl, "error")
    zbctl("throwError", "job", activate(zbctl, "error")["key"], "--errorCode", "E")


def test_messages_and_signals_reach_their_events(zbctl: Zbctl):
    deploy(zbctl, "message.bpmn", "signal.bpmn")
    create(zbctl, "signal")
    zbctl("broadcast", "signal", "go", "--variables", '{"said": "hello"}')
    assert json.loads(activate(zbctl, "signalled")["variables"]) == {"said": "hello"}
    zbctl("publish", "message", "go", "--correlationKey", "1", "--ttl", "1h", "--messageId", "a", "--variables", "{}")
    assert "AlreadyExists" in zbctl(
        "publish", "message", "go", "--correlationKey", "1", "--messageId", "a", refused=True
    )
    zbctl("create", "instance", "message", "--variables", '{"k": "1"}', "--withResult")


def test_what_is_cancelled_or_deleted_is_gone(zbctl: Zbctl):
    [deployed] = deploy(zbctl, "work.bpmn")
    instance = create(zbctl, "work")
    zbctl("set", "variables", instance, "--variables", '{"n": 1}')
    zbctl("cancel", "instance", instance)
    assert "NotFound" in zbctl("cancel", "instance", instance, refused=True)
    zbctl("delete", "resource", deployed["process"]["processDefinitionKey"])
    assert "NotFound" in zbctl("create", "instance", "work", refused=True)


def test_a_decision_is_evaluated(zbctl: Zbctl):
    deploy(zbctl, "dish.dmn")
    answer = json.loads(zbctl("evaluate", "decision", "dish", "--variables", '{"season": "winter"}'))
    assert answer["decisionOutput"] == '"stew"'


def test_an_incident_that_is_not_there_is_refused(zbctl: Zbctl):
    assert "NotFound" in zbctl("resolve", "incident", 4711, refused=True)


# --- every command ---

WITHOUT_BROKER = {"completion", "generate", "help"}


def test_every_command_that_speaks_to_a_broker_does_its_work(tmp_path: Path):
    program = builds.zbctl()
    write_models(tmp_path)
    used: list[tuple[object, ...]] = []
    with running_broker(tmp_path / "data") as broker:

        def zbctl(*words: object, refused: bool = False) -> str:
            used.append(words)
            return _run(program, broker, tmp_path, words, refused)

        _deploy_and_evaluate(zbctl)
        _repair_an_incident(zbctl, broker)
        _fail_and_throw(zbctl)
        _publish_and_broadcast(zbctl)
        _work_with_a_worker(zbctl, program, broker, tmp_path)
        _cancel_and_delete(zbctl)
    unused = {command for command in _commands_of(program) if not any(_is(command, words) for words in used)}
    assert unused == {("create", "worker")}  # it runs until it is ended, so it was started in another way


def _commands_of(program: str) -> set[tuple[str, ...]]:
    """Return the commands of zbctl by its own help: `("activate", "jobs")`, `("status",)`."""
    verbs = {verb: _listed(program, verb) for verb in _listed(program) if verb not in WITHOUT_BROKER}
    return {(verb, noun) if noun else (verb,) for verb, nouns in verbs.items() for noun in nouns or [""]}


def _listed(program: str, *command: str) -> list[str]:
    text = subprocess.run(
        [program, "help", *command], capture_output=True, text=True, timeout=ANSWER_S, check=True
    ).stdout
    listed = text.partition("Available Commands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def _is(command: tuple[str, ...], words: tuple[object, ...]) -> bool:
    return words[: len(command)] == command


def _deploy_and_evaluate(zbctl: Zbctl) -> None:
    zbctl("version")
    assert json.loads(zbctl("status", "-o", "json"))["brokers"][0]["partitions"][0]["role"] == "LEADER"
    deployed = deploy(zbctl, "incident.bpmn", "error.bpmn", "message.bpmn", "signal.bpmn", "dish.dmn")
    [decision] = [one["decision"] for one in deployed if "decision" in one]
    for name in (decision["dmnDecisionId"], decision["decisionKey"]):
        answer = json.loads(zbctl("evaluate", "decision", name, "--variables", '{"season": "winter"}'))
        assert answer["decisionOutput"] == '"stew"'


def _repair_an_incident(zbctl: Zbctl, broker: RunningBroker) -> None:
    instance = create(zbctl, "incident")
    [incident] = broker.client.search_incidents(process_instance_key=instance).items
    zbctl("set", "variables", instance, "--variables", '{"kind": "repaired", "n": 1}', "--local")
    zbctl("resolve", "incident", incident.key)
    job = activate(zbctl, "repaired", "--variables", "n", "--worker", "ada", "--timeout", "1h")
    assert (json.loads(job["variables"]), job["worker"], job["retries"]) == ({"n": 1}, "ada", 3)
    zbctl("update", "retries", job["key"], "--retries", 5)
    zbctl("update", "timeout", job["key"], "--timeout", 60_000)
    [seen] = broker.client.search_jobs(process_instance_key=instance).items
    assert (seen.retries, seen.deadline_ms) == (5, broker.clock.ms + 60_000)
    zbctl("complete", "job", job["key"], "--variables", '{"m": 3}')
    assert "NotFound" in zbctl("resolve", "incident", incident.key, refused=True)


def _fail_and_throw(zbctl: Zbctl) -> None:
    create(zbctl, "error")
    job = activate(zbctl, "error")
    zbctl("fail", "job", job["key"], "--retries", 1, "--errorMessage", "not yet", "--variables", '{"why": "tired"}')
    again = activate(zbctl, "error")
    assert (again["key"], again["retries"], json.loads(again["variables"])) == (job["key"], 1, {"why": "tired"})
    zbctl("throwError", "job", job["key"], "--errorCode", "E", "--errorMessage", "no", "--variables", '{"a": 1}')
    assert "NotFound" in zbctl("complete", "job", job["key"], refused=True)


def _publish_and_broadcast(zbctl: Zbctl) -> None:
    create(zbctl, "signal")
    zbctl("broadcast", "signal", "go", "--variables", '{"said": "hello"}')
    assert json.loads(activate(zbctl, "signalled")["variables"]) == {"said": "hello"}
    zbctl("publish", "message", "go", "--correlationKey", "1", "--ttl", "1h", "--variables", '{"said": "hello"}')
    answer = json.loads(zbctl("create", "instance", "message", "--variables", '{"k": "1"}', "--withResult=said"))
    assert json.loads(answer["variables"]) == {"said": "hello"}


def _work_with_a_worker(zbctl: Zbctl, program: str, broker: RunningBroker, folder: Path) -> None:
    """Its handler gets the variables as its input, and what it prints becomes the job's variables."""
    deploy(zbctl, "work.bpmn")
    command = [program, "--address", broker.address, "--insecure", "create", "worker", "work"]
    worker = subprocess.Popen(
        [*command, "--handler", "sed s/n/m/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        answer = zbctl(
            "create", "instance", "work", "--variables", '{"n": 1}', "--withResult", "--requestTimeout", "60s"
        )
        assert json.loads(json.loads(answer)["variables"]) == {"n": 1, "m": 1}
    finally:
        worker.kill()
        worker.wait()


def _cancel_and_delete(zbctl: Zbctl) -> None:
    [deployed] = deploy(zbctl, "gone.bpmn")
    key = deployed["process"]["processDefinitionKey"]
    instance = create(zbctl, key)
    zbctl("cancel", "instance", instance)
    assert "NotFound" in zbctl("cancel", "instance", instance, refused=True)
    zbctl("delete", "resource", key)
    assert "NotFound" in zbctl("delete", "resource", key, refused=True)
