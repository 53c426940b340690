"""The files that are deployed for a random model: the model itself under two ids, all that it calls, and its decision."""

import re

from osmia_broker.engine.commands import NewResource
from osmia_broker.engine.resources import compile_resources
from osmia_broker.model.graph import Process
from tests.activiti import extension_file
from tests.bpmn import bpmn
from tests.simulation.models import Model

#: The processes that models call. They throw escalations and errors, call each other in a circle, and have several versions.
CALLED = {
    "child": [
        "start > w:job(type=t) > up:throw(escalation=U) > c:{grandchild} > end",
        "start > w:job(type=t) > c:{grandchild} > end(escalation=U)",
        "start > w:user > up:throw(signal=r) > end",
    ],
    "grandchild": ["start > w:job(type=t) > up:throw(escalation=U) > w2:job(type=t) > end"],
    "failing": ["start > w:job(type=t) > p:exclusive [ x > 3 -> e:end(error=E) | else -> f:end ]"],
    "circle": ["start > w:job(type=t) > p:exclusive [ x > 3 -> c:{circle} > e:end | else -> f:end ]"],
}
DECISION = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g" name="g" namespace="urn:test">
<decision id="d" name="d"><literalExpression><text>x + 1</text></literalExpression></decision></definitions>"""
TAG = '<bpmn:extensionElements><zeebe:versionTag value="one"/></bpmn:extensionElements>'
_ID = re.compile(r"\bn(\d+)\b")  # of an element of a model


def called(id: str, version: int, dialect: str) -> tuple[str, bytes]:
    """The file of a process that is called."""
    line = re.sub(r"\{(\w+)\}", r"call(process=\1)" if dialect == "zeebe" else r"call(called=\1)", CALLED[id][version])
    return f"{id}.bpmn", bpmn(line, id=id, dialect=dialect, extra=TAG if dialect == "zeebe" else "")


def of_twin(text: str) -> str:
    """The same with the ids that the elements have in the twin of the model."""
    return _ID.sub(r"m\1", text)


def own_id(id: str) -> str:
    """The id in the model itself of an element of its twin, or of the model."""
    return re.sub(r"^m(\d+)$", r"n\1", id)


def files_of(model: Model, id: str, name: str = "") -> list[tuple[str, bytes]]:
    """The file of the model under one of its ids, with its extension file if it has one. In the twin each element has another id."""
    said = of_twin if id == "twin" else str
    files = [(f"{id}.bpmn", bpmn(said(model.line), id=id, name=name, dialect=model.dialect))]
    if any(model.extensions.values()):
        files.append((f"{id}-extensions.json", said(extension_file(id, **model.extensions).decode()).encode()))
    return files


def deployed(model: Model) -> tuple[NewResource, ...]:
    """All that a run deploys at first."""
    files = [called(id, 0, model.dialect) for id in CALLED]
    files += [*files_of(model, "process"), *files_of(model, "twin"), ("d.dmn", DECISION)]
    return compile_resources(files)


def compiled(model: Model) -> Process:
    """The model in the form that the engine runs."""
    files = [called("child", 0, model.dialect), *files_of(model, "process")]
    process: Process = compile_resources(files)[1].compiled.processes["process"]
    return process
