"""The parts of a random model: what stands in a sequence, each with the dialects that have it and how often it comes.

A part is a function of the model and the depth that is left; it returns its text in the notation of `bpmn`.
"""

import random

from tests.simulation.models import CATCHES, KEYS, OF_EVENTS, THROWN, Model, Part, part


def random_model(seed: int, dialect: str) -> Model:
    """The model of a seed."""
    return Model(random.Random(f"{dialect} {seed}"), dialect)


# --- tasks


@part(often=3)
def job(model: Model, _depth: int) -> str:
    return model.activity("job", "type=t", "job_priority=7" if model.dialect == "zeebe" and model.maybe(0.2) else "")


@part()
def send(model: Model, _depth: int) -> str:
    if model.dialect == "activiti" or model.maybe(0.5):
        return model.activity("send", "type=t")
    return model.activity("send", f'message={THROWN[model.is_quiet][0]}, publish="=k"')


@part()
def user(model: Model, _depth: int) -> str:
    assignee = "ada" if model.maybe(0.5) else f'"{model.says("k")}"'
    return model.activity("user", f"assignee={assignee}", "groups=hr", *_of_people(model))


def _of_people(model: Model) -> list[str]:
    more = ["priority=70", "users=ben", "due=2030-01-31T10:00:00Z"]
    if model.dialect == "activiti":
        more += ["category=leave", "fields=x o", "form=f"]
    else:
        more += ["follow_up=2030-01-31T10:00:00Z"]
    return model.chance.sample(more, model.chance.choice([0, 0, 1, 2]))


@part("zeebe")
def native_user(model: Model, _depth: int) -> str:
    events = model.chance.sample(
        ["creating", "assigning", "updating", "completing", "canceling"], model.chance.randint(0, 3)
    )
    listeners = [f"{one}=t" for one in events]
    return model.activity("user", "native=yes", "assignee=ada" if model.maybe(0.5) else "users=ben", *listeners)


@part("zeebe")
def script(model: Model, _depth: int) -> str:
    if model.maybe(0.3):
        return model.activity("script", "type=t")
    return model.activity("script", f'expression="{model.chance.choice(["=x + 1", "=7", "=x - k"])}"', "result=x")


@part("zeebe")
def rule(model: Model, _depth: int) -> str:
    if model.maybe(0.3):
        return model.activity("rule", "type=t")
    return model.activity("rule", f"decision={model.chance.choice(['d', 'd', 'unknown'])}", "result=r")


@part()
def passing(model: Model, _depth: int) -> str:
    return model.activity("task")


@part()
def manual(model: Model, _depth: int) -> str:
    return model.activity("manual")


@part("activiti")
def skipped(model: Model, _depth: int) -> str:
    return model.activity("user", 'skip="${x > 3}"')


@part("activiti")
def skipped_job(model: Model, _depth: int) -> str:
    return model.activity("job", "type=t", 'skip="${x > 3}"')


@part("activiti")
def choosing(model: Model, _depth: int) -> str:
    """A task that chooses its flows."""
    way, other = model.id(), model.id()
    return f"{model.activity('user')} [ ${{x > 3}} -> {way}:task > {other}:task | else -> {other} ]"


# --- events


@part(often=2)
def catch(model: Model, _depth: int) -> str:
    listener = ", on_start=t" if model.dialect == "zeebe" and model.maybe(0.1) else ""
    id = model.id()
    model.extend(id, OF_EVENTS)
    return f"{id}:catch({model.event(CATCHES)}{listener})"


@part()
def receive(model: Model, _depth: int) -> str:
    key = KEYS["zeebe"] if model.dialect == "zeebe" else ""
    name = "q" if model.is_quiet else "m"
    return model.activity("receive", f"message={name}", key, triggers=f"message={name}")


@part(often=2)
def throw(model: Model, _depth: int) -> str:
    message, signal, escalation, _ = THROWN[model.is_quiet]
    kinds = [f"signal={signal}", f"escalation={escalation}", "compensate=any", model.thrown_message(message)]
    kinds += [f"compensate={one}" for one in model.scope.named]
    kinds += ["signal=i, scope=inside"] if model.dialect == "activiti" and not model.is_quiet else []
    id = model.id()
    model.extend(id, OF_EVENTS)
    return model.listened(id, "throw", model.chance.choice(kinds))


@part()
def nothing_thrown(model: Model, _depth: int) -> str:
    return model.listened(model.id(), "throw")


@part(is_deep=True)
def linked(model: Model, depth: int) -> str:
    """Two ways to one link."""
    catch, pick = model.id(), model.id()
    throws = [f"{model.id()}:throw(link={catch})" for _ in range(2)]
    with model.inner() as scope:
        after = f"{catch}:catch(link={catch}) > {model.sequence(depth)} > {model.ending()}"
    ways = f"{pick}:exclusive [ x > 3 -> {throws[0]} | else -> {model.id()}:task > {throws[1]} ]"
    return model.activity("sub", content=" & ".join([f"start > {ways}", after, *scope.beside]))


@part(is_deep=True)
def race(model: Model, depth: int) -> str:
    """An event-based gateway."""
    first = model.event(CATCHES)
    kinds = [one for one in CATCHES if one.partition("=")[0] != first.partition("=")[0]]
    join = model.id()
    ways = f"{model.id()}:catch({first}) > {model.sequence(depth)} > {join}:task | {model.id()}:catch({model.event(kinds)}) > {join}"
    return f"{model.id()}:events [ {ways} ]"


# --- calls and scopes


@part(often=2)
def call(model: Model, _depth: int) -> str:
    id = model.chance.choice(["child", "child", "failing", "circle"])
    if model.dialect == "activiti":
        ways = ["", "", 'in.x="x"', 'in.x="x", in.a="${x + 1}", out.o="a"', 'out.x="x"', "inherit=true"]
        ways += ['business="${k}"', "inherit_business=false", 'in.k="k", inherit=true, out.r="${x}"']
        return model.activity("call", f"called={id}", model.chance.choice(ways))
    more = ["", "", "binding=versionTag, tag=one", "parent=false", "child=false"]
    if id == "child":
        more += ["binding=deployment"]  # the only one that is deployed with each version of a model
    return model.activity("call", f"process={id}", model.chance.choice(more))


@part(often=3, is_deep=True)
def subprocess(model: Model, depth: int) -> str:
    return model.activity("sub", content=model.inside(depth))


@part(is_deep=True)
def transaction(model: Model, depth: int) -> str:
    """A transaction that may be cancelled; its cancel boundary event is not always there."""
    id, pick = model.id(), model.id()
    cancel = f"{pick}:exclusive [ x > 3 -> {model.id()}:end(cancelled=yes) | else -> {model.id()}:end ]"
    if model.maybe(0.7):
        model.scope.beside.append(f"{model.id()}:boundary(on={id}, cancelled=yes) > {model.tail()}")
    return model.activity("transaction", id=id, content=model.inside(depth, cancel))


@part("zeebe", often=2, is_deep=True)
def ad_hoc(model: Model, depth: int) -> str:
    """An ad-hoc subprocess. The expression reads the ids of its elements from variables of the same names."""
    id, first, second = model.id(), model.id(), model.id()
    with model.inner(has_ends=False) as scope:
        paths = [
            model.activity("job", "type=t", id=first),
            f"{model.activity('job', 'type=t', id=second)} > {model.sequence(depth)}",
        ]
        if model.maybe(0.3):
            model.event_subprocess()
    model.ad_hoc[id] = (first, second)
    done = ""
    if model.maybe(0.3):
        done = 'done="=x < 3"'
        model.idle.add(id)
    given = [
        "type=t" if model.maybe(0.3) else f'active="=[{first}, {second}]"',
        f'results=rs_{id}, result="=x"' if model.maybe(0.3) else "",
        done,
        "cancel_remaining=false" if model.maybe(0.3) else "",
    ]
    return model.activity("adhoc", *given, id=id, content=" & ".join([*paths, *scope.beside]))


# --- gateways


def _fork(kind: str) -> Part:
    def fork(model: Model, depth: int) -> str:
        join, conditions = model.id(), ["", ""]
        if kind == "inclusive":
            conditions = model.chance.choice(
                [["true -> ", "true -> "], ["x > 3 -> ", "else -> "], ["true -> ", "x > 3 -> "]]
            )
        ways = [f"{condition}{model.sequence(depth)}" for condition in conditions]
        return f"{model.listened(model.id(), kind)} [ {ways[0]} > {model.listened(join, kind)} | {ways[1]} > {join} ]"

    return fork


part(is_deep=True)(_fork("parallel"))
part(is_deep=True)(_fork("inclusive"))


@part(is_deep=True)
def choice(model: Model, depth: int) -> str:
    join = model.id()
    if model.scope.has_ends and model.maybe(0.3):
        return f"{model.id()}:exclusive [ x > 3 -> {model.ending()} | else -> {model.sequence(depth)} ]"
    return f"{model.id()}:exclusive [ x > 3 -> {model.sequence(depth)} > {join}:task | else -> {model.sequence(depth)} > {join} ]"


@part(is_deep=True)
def circle(model: Model, depth: int) -> str:
    """A way back. The job before it ends the circle, in the end."""
    head, work = model.id(), f"{model.id()}:job(type=t)"
    way = f"{model.id()}:exclusive [ x > 3 -> {head} | else -> {model.id()}:task ]"
    return f"{head}:task > {model.sequence(depth)} > {work} > {way}"
