"""A scenario is a few lines, and `play` plays it at every door.

    deploy    start > approve:user(assignee=ada) > end      a process in the notation of `bpmn`; its id is `process`
    deploy    child:: start > b:job > end                   … with another id
    publish   paid  key=1 ttl=1000 id=x  amount=5           publish a message; signal go  amount=5: broadcast a signal
    instance  child                                         go on with the newest living instance of that process
    instances child 2                                       so many of them live
    at        approve fork                                  the element instances inside the process, by their elements
    create    amount=12                                     start an instance; values are JSON, or else text
    waits     approve  assignee=ada                         a job is open at the element (headers by their short names)
    activate  io.camunda.zeebe:userTask  max=5 timeout=1000 take jobs; `complete`, `fail` … then mean these
    complete  approve  ok=true                              complete the open job of the element
    fail      approve  retries=1 message=oops back_off=500
    throw     approve  code=no
    retries   approve  3
    timeout   approve  500
    set       amount=5                                      set variables of the instance
    set       approve  local x=1                            … of an element's own scope
    advance   1000                                          the clock moves, in milliseconds
    incident  approve  CONDITION_ERROR no condition         an incident is open there; the rest is part of its text
    resolve   approve
    sees      amount=12 ok=true                             variables that the last activated job saw, exactly these
    variables amount=12                                     variables of the process, exactly these
    idle                                                    no job can be activated
    modify    +b -a a>b b.x=1                               activate, terminate, move; variables for the activated element's scopes
    modify    +b@123 -123                                   activate b in the scope with this key, terminate the instance with this key
    migrate   other a>b                                     go on in the latest version of another process
    delete    process                                       delete the latest version
    suspend · resume                                        the instance
    none      approve                                       no job is open at the element
    cancel · completed · running

`play(text, refused="NOT_FOUND")` demands that the last line is refused with this status, and that the scenario's state is as before it.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.bpmn import bpmn
from tests.doors import Door, Refused, SeenJob

RESERVED = "io.camunda.zeebe:"
LONG_MS = 60_000


class Scenario:
    """One scenario at one door: the lines so far, and what they are about."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.instance = 0
        self.taken: dict[str, SeenJob] = {}
        self.last: SeenJob | None = None
        self.resolved: dict[str, int] = {}
        self.deleted = 0

    def play(self, text: str, refused: str | None = None) -> None:
        lines = [line.strip() for line in re.split(r"[\n;]", text) if line.strip()]
        for number, line in enumerate(lines):
            is_last = number == len(lines) - 1
            try:
                if refused and is_last:
                    self._refused(line, refused)
                else:
                    self.line(line)
            except (AssertionError, Refused) as wrong:
                played = "\n".join(f"{'>>' if place == number else '  '} {one}" for place, one in enumerate(lines))
                raise AssertionError(f"{wrong}\n{played}\nat the door {type(self.door).__name__}") from wrong

    def line(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        act: Callable[[str], None] | None = getattr(self, f"do_{verb}", None)
        assert act is not None, f"no line begins with '{verb}'"
        act(rest.strip())

    def _refused(self, line: str, status: str) -> None:
        before = self.snapshot()
        try:
            self.line(line)
        except Refused as refusal:
            found = refusal.status
        else:
            found = "no refusal"
        assert found == status, f"expected {status}, but found {found}"
        assert self.snapshot() == before, "a refused line has changed something"

    def snapshot(self) -> Any:
        if not self.instance:
            return None
        door = self.door
        jobs = [(job.key, job.state, job.retries) for job in door.jobs(self.instance)]
        incidents = [one.key for one in door.incidents(self.instance)]
        if door.is_over(self.instance):
            return jobs, incidents
        return jobs, incidents, door.elements(self.instance), door.variables(self.instance)

    # --- what is done

    def do_deploy(self, rest: str) -> None:
        id, colon, line = rest.partition("::")
        id, line = (id.strip(), line) if colon else ("process", rest)
        self.door.deploy((f"{id}.bpmn", bpmn(line, id=id)))

    def do_suspend(self, rest: str) -> None:
        self.door.suspend(self.instance)

    def do_resume(self, rest: str) -> None:
        self.door.resume(self.instance)

    def do_create_of(self, rest: str) -> None:
        process_id, variables = first_word(rest)
        self.instance = self.door.create(process_id, document(variables))

    def do_create(self, rest: str) -> None:
        self.instance = self.door.create("process", document(rest))

    def do_activate(self, rest: str) -> None:
        words = shlex.split(rest)
        options = dict(word.split("=", 1) for word in words[1:])
        names = tuple(filter(None, options.get("fetch", "").split(",")))
        jobs = self.door.activate(words[0], int(options.get("max", 32)), int(options.get("timeout", LONG_MS)), names)
        self.taken = {job.element_id: job for job in jobs}
        self.last = jobs[-1] if jobs else None

    def do_complete(self, rest: str) -> None:
        element, variables = first_word(rest)
        self.door.complete(self.key(element), document(variables))

    def do_fail(self, rest: str) -> None:
        element, options = first_word(rest)
        given = dict(word.split("=", 1) for word in shlex.split(options))
        local = {name[4:]: value for name, value in given.items() if name.startswith("var.")}
        self.door.fail(
            self.key(element),
            int(given.get("retries", 0)),
            given.get("message", ""),
            int(given.get("back_off", 0)),
            document(" ".join(f"{name}={value}" for name, value in local.items())),
        )

    def do_throw(self, rest: str) -> None:
        element, options = first_word(rest)
        code, variables = first_word(options)
        self.door.throw(self.key(element), code.removeprefix("code="), "", document(variables))

    def do_retries(self, rest: str) -> None:
        element, number = first_word(rest)
        self.door.update_retries(self.key(element), int(number))

    def do_timeout(self, rest: str) -> None:
        element, number = first_word(rest)
        self.door.update_timeout(self.key(element), int(number))

    def do_set(self, rest: str) -> None:
        if "=" in rest.split(" ", 1)[0]:
            self.door.set_variables(self.instance, document(rest), local=False)
            return
        element, variables = first_word(rest)
        local = variables.startswith("local ")
        scope = next((key for key, id in self.door.elements(self.instance) if id == element), 0)
        self.door.set_variables(scope, document(variables.removeprefix("local ")), local=local)

    def do_publish(self, rest: str) -> None:
        name, words = first_word(rest)
        options = {"key": "", "ttl": "0", "id": ""}
        variables = []
        for word in _split(words):
            option, _, value = word.partition("=")
            if option in options:
                options[option] = value
            else:
                variables.append(word)
        self.door.publish(name, options["key"], int(options["ttl"]), options["id"], document(" ".join(variables)))

    def do_signal(self, rest: str) -> None:
        name, variables = first_word(rest)
        self.door.signal(name, document(variables))

    def do_modify(self, rest: str) -> None:
        """`+b` activates, `-a` terminates all instances of a (`-1` the element instance of that key), `a>b` moves; `b.x=1` sets variables."""
        activate: list[str] = []
        terminate: list[str | int] = []
        move: list[tuple[str, str]] = []
        variables: dict[str, dict[str, Any]] = {}
        for word in _split(rest):
            if "=" in word:
                path, _, value = word.partition("=")
                scope, _, name = path.rpartition(".")
                variables.setdefault(scope, {})[name] = msgspec.json.decode(value)
            elif ">" in word:
                source, _, target = word.partition(">")
                move.append((source, target))
            elif word.startswith("+"):
                activate.append(word[1:])
            else:
                terminate.append(int(word[1:]) if word[1:].isdigit() else word[1:])
        self.door.modify(self.instance, activate, terminate, move, variables)

    def do_migrate(self, rest: str) -> None:
        """`migrate other a>b c>d`: to the latest version of a process (or the one deleted last), with these mappings."""
        process_id, words = first_word(rest)
        mappings = [tuple(word.split(">", 1)) for word in words.split()]
        key = self.deleted if process_id == "deleted" else self.door.definition(process_id)
        self.door.migrate(self.instance, key, mappings)

    def do_delete(self, rest: str) -> None:
        """Delete the latest version of a process, or the definition of this key; `delete again` the one that was deleted last."""
        if rest != "again":
            self.deleted = int(rest) if rest.lstrip("-").isdigit() else self.door.definition(rest or "process")
        self.door.delete(self.deleted)

    def do_advance(self, rest: str) -> None:
        self.door.advance(int(rest))

    def do_resolve(self, rest: str) -> None:
        open_ones = [one.key for one in self.door.incidents(self.instance) if one.element_id == rest]
        key = open_ones[0] if open_ones else self.resolved.get(rest, 0)
        self.resolved[rest] = key
        self.door.resolve(key)

    def do_cancel(self, rest: str) -> None:
        self.door.cancel(int(rest) if rest else self.instance)

    # --- which instance

    def do_instance(self, rest: str) -> None:
        """Go on with the newest living instance of a process."""
        id = rest or "process"
        living = self.door.instances(id)
        assert living, f"expected an instance of {id}, but found none"
        self.instance = living[-1]

    def do_instances(self, rest: str) -> None:
        id, count = rest.split() if " " in rest else ("process", rest)
        living = self.door.instances(id)
        assert len(living) == int(count), f"expected {count} instances of {id}, but found {len(living)}"

    # --- what is seen

    def do_at(self, rest: str) -> None:
        found = sorted(id for _, id in self.door.elements(self.instance))
        assert found == sorted(rest.split()), f"expected tokens at {rest or 'nothing'}, but found {' '.join(found)}"

    def do_waits(self, rest: str) -> None:
        element, expected = first_word(rest)
        job = self.job(element)
        for name, value in (word.split("=", 1) for word in shlex.split(expected)):
            seen = (
                getattr(job, name)
                if name in ("retries", "type", "state")
                else job.headers.get(RESERVED + name, job.headers.get(name))
            )
            assert str(seen) == value, f"expected {name}={value} at {element}, but found {seen!r} in {job}"

    def do_incident(self, rest: str) -> None:
        element, expected = first_word(rest)
        error_type, _, text = expected.partition(" ")
        found = [one for one in self.door.incidents(self.instance) if one.element_id == element]
        assert found, f"expected an incident at {element}, but found {self.door.incidents(self.instance)}"
        assert found[0].error_type == error_type, f"expected {error_type}, but found {found[0]}"
        assert text in found[0].message, f"expected the text '{text}', but found '{found[0].message}'"

    def do_sees(self, rest: str) -> None:
        assert self.last is not None, "expected an activated job, but found none"
        expected = msgspec.json.decode(document(rest))
        assert self.last.variables == expected, f"expected {expected}, but found {self.last.variables}"

    def do_variables(self, rest: str) -> None:
        seen, expected = self.door.variables(self.instance), msgspec.json.decode(document(rest))
        assert seen == expected, f"expected {expected}, but found {seen}"

    def do_idle(self, rest: str) -> None:
        jobs = [job for job in self.door.jobs(self.instance) if job.state == "ACTIVATABLE"]
        assert not jobs, f"expected no activatable job, but found {jobs}"

    def do_none(self, rest: str) -> None:
        jobs = [job for job in self.door.jobs(self.instance) if job.element_id == rest]
        assert not jobs, f"expected no job at {rest}, but found {jobs}"

    def do_completed(self, rest: str) -> None:
        assert self.door.is_over(self.instance), (
            f"expected the end, but found tokens at {self.door.elements(self.instance)}"
        )

    def do_running(self, rest: str) -> None:
        assert not self.door.is_over(self.instance), "expected a running instance, but found its end"

    # --- finding

    def job(self, element: str) -> SeenJob:
        found = [job for job in self.door.jobs(self.instance) if job.element_id == element]
        assert found, f"expected a job at {element}, but found {self.door.jobs(self.instance)}"
        return found[0]

    def key(self, element: str) -> int:
        """The key of the element's job: a number as it is, the open one, or the one that was taken (and may be gone)."""
        if re.fullmatch(r"-?\d+", element):
            return int(element)
        for job in self.door.jobs(self.instance):
            if job.element_id == element:
                self.taken[element] = job
        assert element in self.taken, f"expected a job at {element}, but there was never one"
        return self.taken[element].key


def first_word(rest: str) -> tuple[str, str]:
    word, _, more = rest.partition(" ")
    return word, more.strip()


def document(words: str) -> str:
    """`a=1 b=text` as JSON text; `variables=…` gives the text itself."""
    if words.startswith("variables="):
        return words.removeprefix("variables=")
    values: dict[str, Any] = {}
    for word in _split(words):
        name, _, value = word.partition("=")
        try:
            msgspec.json.decode(value)
            values[name] = msgspec.Raw(value.encode())
        except msgspec.DecodeError:
            values[name] = value
    return msgspec.json.encode(values).decode()


def _split(words: str) -> list[str]:
    """At blanks that are not inside quotes or brackets."""
    return re.findall(r"(?:\"(?:[^\"\\]|\\.)*\"|\{[^}]*\}|\[[^\]]*\]|\S)+", words)


def example(name: str) -> bytes:
    """A file of the examples folder."""
    return (Path(__file__).parent.parent / "examples" / name).read_bytes()
