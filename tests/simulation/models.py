"""Random block-structured models over all elements of both dialects, in the notation of `bpmn`. The same seed gives the same model.

`parts` has what a sequence is made of; this file has what all parts share: ids, scopes, and what may be added to any activity.

Every model comes to its end if all that is waited for is done again and again. So what is thrown in the main sequences (*loud*) may begin what
stands beside them, and what is thrown there (*quiet*) begins nothing.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.activiti import patch, properties, value, variable

#: What events wait for, by place and dialect. Boundary events and event subprocesses do not share the messages of catching events: a
#: subscription that stays open after its event would take every message, because it was opened first.
KEYS = {"zeebe": 'key="=k"', "activiti": 'correlation="${k}"'}
BESIDE = ["timer=PT5S", "date=2020-01-01T00:00:00Z", "message=b, {key}", "signal=s", 'condition="{x = 7}"']
ONLY_ZEEBE = ['condition="{x > 4}", watches=x', 'condition="{x > 4}", changes=update']
ONLY_ACTIVITI = [  # the clock begins at 2027-01-15T08:00:00Z
    "cycle=R5/PT1M, until=2027-01-15T08:02:00Z",
    "cycle=0 * * * * ?, until=2027-01-15T08:03:00Z",
    "signal=i, scope=inside",
]
NOT_INTERRUPTING = ["cycle=R3/PT5S"]
OF_ERRORS = ["error=E", "error=any"]
OF_SCOPES = ["escalation=U", "escalation=any"]
CATCHES = [
    "timer=PT5S",
    "date=2020-01-01T00:00:00Z",
    "message={message}, {key}",
    "signal={signal}",
    'condition="{y = 7}"',
]
#: Loud and quiet names of what is waited for in a sequence, and of what is thrown there.
AWAITED = {False: {"message": "m", "signal": "s"}, True: {"message": "q", "signal": "q"}}
THROWN = {False: ("m", "s", "U", "E"), True: ("n", "r", "W", "F")}

LOOPS = {
    "zeebe": [
        'items="=[1,2,3]", item=i, results=rs_{id}, result="=i", sequential={bool}',
        'items="=items", item=i, sequential={bool}, done="=numberOfCompletedInstances = 2"',
        'items="=[1,2]", item=i, sequential={bool}',
        'repeat="=x > 3", times=3',
        'repeat="=x > 3", times=2, test_before=yes',
    ],
    "activiti": [
        "cardinality=2, sequential={bool}",
        'collection=items, element=i, index=at, sequential={bool}, done="${{nrOfCompletedInstances == 1}}"',
        'collection="${{items}}", element=i, output=rs_{id}, output_item=i, sequential={bool}',
        'repeat="${{x > 3}}", times=3',
    ],
}
MAPPINGS = ['in.a="=x + 1", out.o="=a"', 'in.x="=x"', 'in.x="=x", out.x="=1"', 'out.o.p="=x"', 'in.a="=x + k"']
EXTENSIONS: list[dict[str, Any]] = [
    {"mappingType": "MAP_ALL"},
    {"mappingType": "MAP_ALL_INPUTS"},
    {"mappingType": "MAP_ALL_OUTPUTS", "inputs": {"x": value("${x}")}},
    {"inputs": {"x": variable("x"), "items": variable("items")}, "outputs": {"x": variable("x")}},
    {"inputs": {"a": value("${x + 1} of ${k}")}, "outputs": {"o": value({"n": ["${x}"]})}},
    {"inputs": {"o": patch({"op": "add", "path": "/a/b", "value": "${x}"})}},
    {"outputs": {"o": patch({"op": "replace", "path": "/a", "value": "${x}"})}},  # it does not always fit
    {"outputs": {"a": value("${sys_task_assignee}"), "o": variable("sys_task_assignee")}},
]
#: Of events: what they are given, and what they pass on.
OF_EVENTS: list[dict[str, Any]] = [
    {"mappingType": "MAP_ALL"},
    {"outputs": {"o": variable("p")}},
    {"inputs": {"k": variable("k"), "o": value("${x}")}},
]
CONSTANTS: list[dict[str, Any]] = [{"c": {"value": 3}}, {"x": {"value": 1}, "c": {"value": {"a": "${x}"}}}]
#: Variables that a process declares. An instance that is given others is refused.
DECLARED: list[dict[str, Any]] = [
    {"o": "json", "y": {"type": "integer", "value": 0}},
    {"x": {"type": "integer", "value": 1}, "a": {"type": "string", "value": "${k}"}},
]
#: Compensation handlers.
HANDLERS = {
    "zeebe": [
        "job(type=t, {of})",
        'job(type=t, {of}, items="=[1,2]", item=i)',
        "user(native=yes, {of})",
        'script(expression="=1", result=r, {of})',
        "call(process=child, {of})",
        "sub({of}) {{ start > {next}:job(type=t) > end }}",
    ],
    "activiti": ["job(type=t, {of})", "user({of})", "call(called=child, {of})", "job(type=t, {of}, cardinality=2)"],
}
HOLDING = ("sub", "transaction", "adhoc")


Part = Callable[["Model", int], str]

_PARTS: list[tuple[Part, tuple[str, ...], int, bool]] = []


def part(*dialects: str, often: int = 1, is_deep: bool = False) -> Callable[[Part], Part]:
    """Enter the decorated function, which comes *often* times as often as others. A *deep* one holds sequences."""

    def enter(one: Part) -> Part:
        _PARTS.append((one, dialects or ("zeebe", "activiti"), often, is_deep))
        return one

    return enter


@cache
def parts_of(dialect: str, *, is_deep: bool) -> list[Part]:
    """The parts that a sequence may have, each as often as it is to come."""
    return [one for one, known, often, deep in _PARTS if dialect in known and deep <= is_deep for _ in range(often)]


@dataclass
class Scope:
    """What stands beside the main sequence of a scope, its activities that can be compensated, and those that can be named there."""

    has_ends: bool = True
    beside: list[str] = field(default_factory=list)
    compensable: list[str] = field(default_factory=list)
    around: list[str] | None = None  # of an event subprocess, which compensates the scope around it

    @property
    def named(self) -> list[str]:
        return self.compensable if self.around is None else self.around


class Model:
    """One model under construction."""

    def __init__(self, chance: random.Random, dialect: str = "zeebe") -> None:
        self.chance, self.dialect = chance, dialect
        self.is_quiet = False
        self.scopes = [Scope()]
        #: The extension file: its parts by name.
        self.extensions: dict[str, dict[str, Any]] = {"properties": {}, "mappings": {}, "constants": {}}
        if dialect == "activiti" and self.maybe(0.2):
            self.extensions["properties"] = properties(**chance.choice(DECLARED))
        self.ad_hoc: dict[str, tuple[str, ...]] = {}  # the elements that can be activated, by subprocess
        self.idle: set[str] = set()  # ad-hoc subprocesses that may wait for somebody to activate more
        self._count = 0
        starts = self.starts() if self.maybe(0.3) else []
        self.line = " & ".join([self.inside(3), *starts])  #: the whole model

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    # --- what all parts use

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def id(self) -> str:
        self._count += 1
        return f"n{self._count}"

    def says(self, condition: str) -> str:
        """A condition as an expression of the dialect."""
        return f"={condition}" if self.dialect == "zeebe" else f"${{{condition.replace(' = ', ' == ')}}}"

    def sequence(self, depth: int) -> str:
        known = parts_of(self.dialect, is_deep=depth > 0)
        return " > ".join(self.chance.choice(known)(self, depth - 1) for _ in range(self.chance.randint(1, 2)))

    def inside(self, depth: int, end: str = "") -> str:
        """What stands between the braces of a subprocess, or in a process."""
        with self.inner() as scope:
            main = f"start > {self.sequence(depth)} > {end or self.ending()}"
            if self.maybe(0.3):
                self.event_subprocess()
        return " & ".join([main, *scope.beside])

    @contextmanager
    def inner(self, *, has_ends: bool = True) -> Iterator[Scope]:
        self.scopes.append(Scope(has_ends))
        try:
            yield self.scope
        finally:
            self.scopes.pop()

    # --- events

    def event(self, kinds: list[str]) -> str:
        """A trigger that something waits for."""
        text = self.chance.choice(kinds)
        for condition in ("x = 7", "x > 4", "y = 7"):
            text = text.replace(f"{{{condition}}}", self.says(condition))
        for name, one in AWAITED[self.is_quiet].items():
            text = text.replace(f"{{{name}}}", one)
        return text.replace("{key}", KEYS[self.dialect])

    def beside(self, *more: list[str]) -> str:
        """The trigger of an event that stands beside a sequence, and whether it interrupts."""
        kinds = [*BESIDE, *(ONLY_ZEEBE if self.dialect == "zeebe" else ONLY_ACTIVITI), *NOT_INTERRUPTING]
        return self.event([*kinds, *(one for some in more for one in some)])

    def interrupts(self, trigger: str) -> str:
        if "error" in trigger or "cancelled" in trigger:
            return "true"
        return "false" if "cycle" in trigger and self.dialect == "zeebe" else self.chance.choice(["true", "false"])

    def tail(self) -> str:
        """What follows an event that stands beside a sequence. It throws nothing that such events wait for."""
        was, self.is_quiet = self.is_quiet, True
        try:
            between = self.sequence(0) if self.maybe(0.3) else f"{self.id()}:job(type=t)"
            return f"{between} > {self.ending()}" if self.scope.has_ends else between
        finally:
            self.is_quiet = was

    def ending(self) -> str:
        """The end of a sequence: mostly a plain one."""
        id, (message, signal, escalation, error) = self.id(), THROWN[self.is_quiet]
        if self.maybe(0.7):
            return self.listened(id, "end")
        kinds = ["terminate=yes", f"error={error}", f"escalation={escalation}", f"signal={signal}", "compensate=any"]
        kinds += [self.thrown_message(message), f'escalation="{self.says("k")}"']
        kinds += ["terminate=all", "terminate=loop"] if self.dialect == "activiti" else []
        return self.listened(id, "end", self.chance.choice(kinds))

    def thrown_message(self, name: str) -> str:
        if self.dialect == "activiti":
            return f"message={name}, {KEYS['activiti']}"
        return f"message={name}, " + self.chance.choice(['publish="=k"', "type=t"])

    def event_subprocess(self) -> None:
        trigger = self.beside(OF_ERRORS, OF_SCOPES)
        start = f"{self.id()}:start({trigger}, interrupting={self.interrupts(trigger)})"
        around = self.scope.compensable
        with self.inner() as scope:
            scope.around = around
            inside = " & ".join([f"{start} > {self.tail()}", *scope.beside])
        self.scope.beside.append(f"{self.id()}:eventsub {{ {inside} }}")

    def starts(self) -> list[str]:
        """Start events with a trigger, which nothing in a model fires itself."""
        kinds = ["message=st", "signal=st", "timer=PT20S", "cycle=R2/PT30S", f'condition="{self.says("z = 7")}"']
        kinds += ["date=2020-01-01T00:00:00Z"]
        return [
            f"{self.id()}:start({one}) > {self.id()}:job(type=t) > {self.id()}:end"
            for one in self.chance.sample(kinds, self.chance.randint(1, 2))
        ]

    # --- activities

    def activity(self, kind: str, *arguments: str, id: str = "", content: str = "", triggers: str = "") -> str:
        """An activity, perhaps with a loop, listeners, mappings, boundary events and a compensation handler."""
        id = id or self.id()
        given = [one for one in arguments if one]
        if self.maybe(0.2):
            # Other arguments have the same names.
            has_result = kind in ("script", "rule") or any("result" in one for one in given)
            taken = ["result"] * has_result + ["done"] * (kind == "adhoc")
            loops = [one for one in LOOPS[self.dialect] if not any(name in one for name in taken)]
            given.append(self.chance.choice(loops).format(id=id, bool=self.chance.choice(["true", "false"])))
        if self.dialect == "zeebe":
            given += self._of_zeebe(given)
        elif kind not in HOLDING:
            self.extend(id, EXTENSIONS)
        self.attach(id, kind, triggers)
        inside = f" {{ {content} }}" if content else ""
        return f"{id}:{kind}({', '.join(given)}){inside}"

    def extend(self, id: str, mappings: list[dict[str, Any]]) -> None:
        """Perhaps give an element of an Activiti model mappings, and constants."""
        if self.dialect == "activiti" and self.maybe(0.3):
            self.extensions["mappings"][id] = self.chance.choice(mappings)
        if self.dialect == "activiti" and self.maybe(0.1):
            self.extensions["constants"][id] = self.chance.choice(CONSTANTS)

    def listened(self, id: str, kind: str, trigger: str = "") -> str:
        """An element that is no activity, perhaps with listeners where its kind may have them."""
        given = [trigger] * bool(trigger)
        if self.dialect == "zeebe" and self.maybe(0.1):
            is_gateway = kind in ("exclusive", "parallel", "inclusive", "events")
            has_end = not is_gateway and not trigger.startswith(("error", "link"))
            given.append(self.chance.choice(["on_start=t", "on_end=t"] if has_end else ["on_start=t"]))
        return f"{id}:{kind}({', '.join(given)})"

    def _of_zeebe(self, given: list[str]) -> Iterator[str]:
        if self.maybe(0.15):
            yield self.chance.choice(MAPPINGS)
        if self.maybe(0.15):
            kinds = ["on_start=t", "on_end=t", "on_start=t, on_end=t u"]
            yield self.chance.choice(kinds + ["on_all=t"] * any(one.startswith("items") for one in given))

    def attach(self, host: str, kind: str, taken: str = "") -> None:
        """Perhaps give an activity boundary events, other ones than those it has *taken*, and a compensation handler."""
        if self.maybe(0.4):
            scopes = OF_SCOPES if kind in (*HOLDING, "call") else []
            for _ in range(self.chance.randint(1, 2)):
                trigger = self.beside(OF_ERRORS, scopes)
                if (name := trigger.partition(",")[0]) not in taken.split():
                    taken += f" {name}"
                    cancel = self.interrupts(trigger)
                    boundary = f"{self.id()}:boundary(on={host}, cancel={cancel}, {trigger})"
                    self.scope.beside.append(f"{boundary} > {self.tail()}")
        if self.maybe(0.2):
            undo = self.id()
            handler = self.chance.choice(HANDLERS[self.dialect]).format(of="compensates=yes", next=self.id())
            self.scope.compensable.append(host)
            self.scope.beside.append(f"{self.id()}:boundary(on={host}, compensate=any, handler={undo})")
            self.scope.beside.append(f"{undo}:{handler}")
