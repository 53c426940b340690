"""What the demo tells a person to type works in the shell that they type it into."""

import signal
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from osmia.results import Event
from osmia_broker.cli.commands import demo
from osmia_broker.cli.demo import live as demo_live
from osmia_broker.cli.demo.broker import next_steps, port_options, program, python
from osmia_broker.cli.demo.live import LiveDemo
from osmia_broker.cli.demo.picture import Picture
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with an environment `.venv`, whose Python runs the demo."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        programs.joinpath(name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(programs / "python3"))
    monkeypatch.chdir(tmp_path)
    return programs


def test_an_environment_that_is_not_activated_is_named(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert python() == ".venv/bin/python3"


def test_an_activated_environment_needs_no_path(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert python() == "python"


def test_an_environment_elsewhere_is_named_in_full(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert python() == str(checkout / "python3")


def test_the_program_is_named_as_a_second_terminal_finds_it(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert program() == "osmia"  # there is none beside Python: nothing better can be said
    checkout.joinpath("osmia").write_text("#!/bin/sh\n")
    checkout.joinpath("osmia").chmod(0o755)
    assert program() == ".venv/bin/osmia"
    monkeypatch.setenv("PATH", str(checkout))
    assert program() == "osmia"


@pytest.fixture
def live(monkeypatch, tmp_path):
    """A demo without a broker, whose picture is empty."""
    ended = threading.Event()
    broker: Any = SimpleNamespace(
        ports=SimpleNamespace(grpc=26500), address="127.0.0.1:26500", wait_until_it_ends=ended.wait
    )
    client: Any = SimpleNamespace(user_tasks=SimpleNamespace())
    demo = LiveDemo(client, broker, tmp_path, "", is_colored=False)
    monkeypatch.setattr(demo, "_picture", SimpleNamespace(show=lambda _key: None))
    yield demo
    ended.set()


def test_the_ways_to_complete_a_task_say_where_they_are_typed_and_what_they_start(
    checkout, tmp_path, monkeypatch, capsys, live
):
    checkout.joinpath("osmia").write_text("")
    checkout.joinpath("osmia").chmod(0o755)
    tmp_path.joinpath("examples").mkdir()
    tmp_path.joinpath("examples/dinner.py").write_text("")
    monkeypatch.setenv("PATH", "")
    task: Any = SimpleNamespace(key=7, element_id="decide")
    live._say_what_to_do(task)
    command, script = (line.split() for line in capsys.readouterr().out.splitlines() if ".venv" in line)
    assert " ".join(command) == "in a second terminal .venv/bin/osmia task complete 7 --var dinner=pizza"
    assert " ".join(script).endswith("examples/dinner.py (starts one more dinner, works until Ctrl-C)")


def test_what_to_try_next_is_said_once(capsys, live):
    live._done(7)
    assert "Try next:" in capsys.readouterr().out
    live._done(8)
    told = capsys.readouterr().out
    assert ("Done: instance 8 completed." in told, "Try next:" in told) == (True, False)


@pytest.mark.parametrize("word", ["osmia", ".venv/bin/osmia"])
def test_the_command_that_was_said_can_be_typed_where_the_demo_runs_too(monkeypatch, live, word):
    ran: list[Any] = []
    monkeypatch.setattr(demo_live.subprocess, "run", lambda command, **_: ran.append(command[2:]))
    monkeypatch.setattr(sys, "stdin", [f"{word} task complete 7\n"])
    live.listen()
    assert ran == [["osmia_broker", "task", "complete", "7", "--address", "127.0.0.1:26500"]]


def step(operation: str, user: str) -> Any:
    return SimpleNamespace(operation=operation, user=user)


@pytest.mark.parametrize(
    ("intent", "assignee", "steps", "told"),
    [
        ("assigned", "ada", [step("ASSIGN", "ada")], 'ada claimed "Eat"'),
        ("assigned", "ada", [step("ASSIGN", "bob")], 'bob assigned "Eat" to ada'),
        ("assigned", "ada", [], 'ada claimed "Eat"'),
        ("unassigned", "", [step("UNASSIGN", "ada"), step("ASSIGN", "bob")], 'ada gave "Eat" back'),
        ("unassigned", "", [step("UNASSIGN", "")], 'somebody gave "Eat" back'),
    ],
)
def test_the_demo_names_who_did_it(capsys, intent, assignee, steps, told):
    client: Any = SimpleNamespace(user_tasks=SimpleNamespace(history=lambda _key: steps))
    nothing: Any = None
    details = {"name": "Eat", "assignee": assignee}
    given: dict[str, Any] = dict.fromkeys(Event.__dataclass_fields__, 0)
    event = Event(**(given | {"kind": "USER_TASK", "intent": intent, "details": details}))
    LiveDemo(client, nothing, nothing, "", is_colored=False)._tell(event)
    assert told in capsys.readouterr().out


def test_a_picture_that_has_not_changed_is_not_repeated(capsys):
    """The first task was completed and the second one, too, before the events of both were read."""
    moves = iter(["decide", "decide", "eat", ""])

    def instance(key: int) -> Any:
        place = next(moves)
        elements = [SimpleNamespace(element_id=place, incident_key=0)] if place else []
        return SimpleNamespace(
            key=key, elements=elements, state="COMPLETED", process_definition_key=1, bpmn_process_id="p"
        )

    client: Any = SimpleNamespace(
        get_instance=instance,
        process_xml=lambda _key: bpmn("start > decide:user > eat:user > end", id="p"),
        taken_flows=lambda _key: [SimpleNamespace(target_element_id="end")],
    )
    picture = Picture(client, is_colored=False)
    drawn = []
    for _ in range(4):
        picture.show(7)
        drawn.append(bool(capsys.readouterr().out.strip()))
    assert drawn == [True, False, True, True]


def test_what_to_try_next_stands_in_two_columns():
    told = next_steps(("osmia tasks", "what waits"), ("osmia start dinner --address x:1", "another dinner"))
    head, *lines = told.splitlines()
    assert head == "  Try next:"
    assert {line.index(about) for line, about in zip(lines, ("what waits", "another dinner"), strict=True)} == {39}


@pytest.mark.parametrize(
    ("ports", "options"),
    [
        ((26500, 8080, 9600), ""),
        ((26501, 8081, 9601), " --grpc-port 26501 --http-port 8081 --management-port 9601"),
        ((26500, 8081, 9600), " --http-port 8081"),
    ],
)
def test_a_broker_of_ones_own_takes_the_ports_that_were_free(tmp_path, ports, options):
    grpc, http, management = ports
    broker = ChildBroker(tmp_path, grpc_port=grpc, http_port=http, management_port=management)
    assert port_options(broker) == options


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_demo_even_if_it_was_begun_to_pass_over_it(number):
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(number, signal.SIG_IGN)  # as a script does for what it runs beside itself
        demo._end_cleanly()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
