"""Random block-structured models over all elements, in the notation of `bpmn`. The same seed gives the same model."""

import random
import re
from collections.abc import Callable

Block = Callable[["Model", int], str]


class Model:
    """One model under construction: a counter for ids, and the sequences that stand beside the main one of each scope."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._count = 0
        self.beside: list[list[str]] = [[]]

    def text(self) -> str:
        main = self.sequence(3)
        return " & ".join([f"start > {main} > end", *self.beside[0]])

    def id(self) -> str:
        self._count += 1
        return f"n{self._count}"

    def sequence(self, depth: int) -> str:
        blocks = [
            self.chance.choice(BLOCKS if depth else LEAVES)(self, depth - 1) for _ in range(self.chance.randint(1, 2))
        ]
        return " > ".join(blocks)

    def scope(self, depth: int) -> str:
        """What stands between the braces of a subprocess."""
        self.beside.append([])
        main = self.sequence(depth)
        if self.chance.random() < 0.3:
            inner = self.chance.choice(EVENTS)
            interrupting = self.chance.choice(["true", "false"])
            self.beside[-1].append(
                f"{self.id()}:eventsub {{ {self.id()}:start({inner}, interrupting={interrupting}) > {self.id()}:job(type=t) > {self.id()}:end }}"
            )
        return " & ".join([f"start > {main} > end", *self.beside.pop()])

    def attach(self, host: str, events: tuple[str, ...] = ()) -> None:
        """Perhaps give an activity a boundary event, one of *events* if they are given."""
        if self.chance.random() < 0.4:
            event = self.chance.choice(events or [*EVENTS, "error=E", "error=any"])
            cancel = "true" if "error" in event else self.chance.choice(["true", "false"])
            self.beside[-1].append(
                f"{self.id()}:boundary(on={host}, cancel={cancel}, {event}) > {self.id()}:job(type=t) > {self.id()}:end"
            )
        elif self.chance.random() < 0.2:
            undo = self.id()
            self.beside[-1].append(f"{self.id()}:boundary(on={host}, compensate=any, handler={undo})")
            self.beside[-1].append(f"{undo}:job(type=t, compensates=yes)")


#: What boundary events and event subprocesses wait for. Their message is not that of the catching events: a subscription that stays open after
#: its event would take every message, because it was opened first.
EVENTS = ["timer=PT5S", 'message=b, key="=k"', "signal=s", 'condition="=x = 7"']
CATCHES = ["timer=PT5S", 'message=m, key="=k"', "signal=s"]


def _job(model: Model, _depth: int) -> str:
    id = model.id()
    model.attach(id)
    listeners = ", on_start=t, on_end=t" if model.chance.random() < 0.2 else ""
    return f"{id}:job(type=t{listeners})"


def _loop(model: Model, _depth: int) -> str:
    id = model.id()
    model.attach(id)
    sequential = model.chance.choice(["true", "false"])
    done = ', done="=numberOfCompletedInstances = 2"' if model.chance.random() < 0.3 else ""
    return f'{id}:job(type=t, items="=[1,2,3]", item=i, results=rs{id}, result="=i", sequential={sequential}{done})'


def _catch(model: Model, _depth: int) -> str:
    return f"{model.id()}:catch({model.chance.choice(CATCHES)})"


def _receive(model: Model, _depth: int) -> str:
    id = model.id()
    model.attach(id, ("timer=PT5S", "signal=s"))  # the same message twice at one activity is refused
    return f'{id}:receive(message=m, key="=k")'


def _call(model: Model, _depth: int) -> str:
    id = model.id()
    model.attach(id, (*EVENTS, "error=E", "escalation=U"))
    return f"{id}:call(process=child)"


def _throw(model: Model, _depth: int) -> str:
    return f"{model.id()}:throw({model.chance.choice(['signal=s', 'escalation=U', 'compensate=any'])})"


def _pass(model: Model, _depth: int) -> str:
    return f"{model.id()}:task"


def _subprocess(model: Model, depth: int) -> str:
    id = model.id()
    model.attach(id)
    loop = '(items="=[1,2]", item=i)' if model.chance.random() < 0.2 else ""
    kind = model.chance.choice(["sub", "sub", "transaction"])
    return f"{id}:{kind}{loop} {{ {model.scope(depth)} }}"


def _transaction(model: Model, depth: int) -> str:
    """A transaction that may be cancelled, perhaps with a loop; its cancel boundary event is not always there."""
    id, pick = model.id(), model.id()
    loop = model.chance.choice(["", "", '(items="=[1,2]", item=i)', '(items="=[1,2]", item=i, sequential=true)'])
    model.attach(id)
    if model.chance.random() < 0.7:
        model.beside[-1].append(
            f"{model.id()}:boundary(on={id}, cancelled=yes) > {model.id()}:job(type=t) > {model.id()}:end"
        )
    model.beside.append([])
    main = model.sequence(depth)
    cancel = f"{pick}:exclusive [ x > 3 -> {model.id()}:end(cancelled=yes) | else -> {model.id()}:end ]"
    inside = " & ".join([f"start > {main} > {cancel}", *model.beside.pop()])
    return f"{id}:transaction{loop} {{ {inside} }}"


def _ad_hoc(model: Model, depth: int) -> str:
    """An ad-hoc subprocess in which two elements begin. The expression reads their ids from variables of the same names."""
    id, first, second = model.id(), model.id(), model.id()
    model.attach(id)
    model.beside.append([])
    paths = [f"{first}:job(type=t)", f"{second}:job(type=t) > {model.sequence(depth)}"]
    if model.chance.random() < 0.3:
        event = model.chance.choice(["error=E", "signal=s"])
        model.beside[-1].append(
            f"{model.id()}:eventsub {{ {model.id()}:start({event}) > {model.id()}:job(type=t) > {model.id()}:end }}"
        )
    inside = " & ".join([*paths, *(re.sub(r" > \w+:end$", "", one) for one in model.beside.pop())])
    loop = ', items="=[1,2]", item=i' if model.chance.random() < 0.2 else ""
    results = f', results=rs{id}, result="=i"' if model.chance.random() < 0.3 else ""
    active = f'active="=[{first}, {second}]"'
    return f"{id}:adhoc({active}{loop}{results}) {{ {inside} }}"


def _fork(kind: str) -> Block:
    def fork(model: Model, depth: int) -> str:
        id, join = model.id(), model.id()
        condition = "" if kind == "parallel" else "true -> "
        first, second = model.sequence(depth), model.sequence(depth)
        return f"{id}:{kind} [ {condition}{first} > {join}:{kind} | {condition}{second} > {join} ]"

    return fork


def _choice(model: Model, depth: int) -> str:
    id, join = model.id(), model.id()
    return (
        f"{id}:exclusive [ x > 3 -> {model.sequence(depth)} > {join}:task | else -> {model.sequence(depth)} > {join} ]"
    )


def _race(model: Model, depth: int) -> str:
    id, join = model.id(), model.id()
    return f"{id}:events [ {model.id()}:catch(timer=PT5S) > {model.sequence(depth)} > {join}:task | {model.id()}:catch(signal=s) > {join} ]"


LEAVES: list[Block] = [_job, _job, _loop, _catch, _receive, _call, _throw, _pass]
BLOCKS: list[Block] = [
    *LEAVES,
    _subprocess,
    _subprocess,
    _transaction,
    _ad_hoc,
    _fork("parallel"),
    _fork("inclusive"),
    _choice,
    _race,
]
