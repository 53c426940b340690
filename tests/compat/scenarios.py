"""The scenarios that every published client plays, what each of them sees, and the models that they deploy.

The programs in `clients/` play them, one program for each language, and print what they saw. Each scenario has job types of its own: the last
poll of a worker that was closed may still take a job (clients.md, section 8).
"""

from pathlib import Path

from tests.bpmn import bpmn

#: What a client sees in each scenario. "same" says that the job is one of the instance that was created.
SEEN = {
    "topology": {"brokers": 1, "role": "LEADER"},
    "deploy": {"process": "work", "version": 1},
    "poll": {"doubled": 4},
    "stream": {"doubled": 6},
    "fail": {"tries": 2},
    "error": {"outcome": 1},
    "message": {"said": "hello"},
    "signal": {"said": "hello", "same": True},
    "incident": {"same": True},
    "retries": {"retries": 7, "same": True},
    "cancel": {"again": "NOT_FOUND"},
    "modify": {"at": "b", "same": True},
    "migrate": {"was": "x", "at": "y", "process": "migrated"},
    "decision": {"output": '"stew"'},
    "delete": {"create": "NOT_FOUND"},
    "refused": {"code": "NOT_FOUND", "names": True},
}

#: What a client of the REST API sees in each scenario.
SEEN_BY_REST = {
    "topology": {"brokers": 1, "role": "leader"},
    "deploy": {"process": "work", "version": 1},
    "work": {"state": "COMPLETED", "n": 2, "doubled": 4},
    "fail": {"same": True, "retries": 1},
    "error": {"outcome": 1},
    "message": {"same": True, "said": "hello"},
    "incident": {"message": "broken", "retries": 2},
    "cancel": {"state": "TERMINATED", "again": 404},
    "modify": {"at": ["b"]},
    "batch": {"state": "COMPLETED", "completed": 3},
    "decision": {"output": '"stew"'},
    "task": {
        "name": "Decide",
        "groups": ["family"],
        "second": 409,
        "state": "COMPLETED",
        "assignee": "demo",
        "variables": {"dinner": "chicken"},
    },
    "refused": {"code": 404, "names": True},
}

MODELS = {
    "work": "start > a:job(type=work) > end",
    "streamed": "start > a:job(type=streamed) > end",
    "again": "start > a:job(type=again) > end",
    "fail": "start > a:job(type=fail) > end",
    "error": 'start > a:job(type=error) > end & e:boundary(on=a, error=E) > s:script(expression="=1", result=outcome) > end2',
    "message": 'start > wait:catch(message=go, key="=k") > end',
    "signal": "start > wait:catch(signal=go) > a:job(type=signalled) > end",
    "incident": 'start > a:job(type="=kind") > end',
    "steps": "start > a:job(type=step_a) > b:job(type=step_b) > end",
    "migrated": "start > x:job(type=step_x) > y:job(type=step_y) > end",
    "gone": "start > a:job(type=gone) > end",
    "dinner": "start > decide:user(name=Decide, groups=family, native=yes) > end",
    "any": 'start > a:job(type="=kind") > end',
}

_DISH = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="dishes" name="Dishes" namespace="http://example.org/dishes">
  <decision id="dish" name="Dish"><decisionTable id="table">
    <input id="season"><inputExpression id="asked" typeRef="string"><text>season</text></inputExpression></input>
    <output id="output" name="dish" typeRef="string"/>
    <rule id="cold"><inputEntry id="is_cold"><text>"winter"</text></inputEntry><outputEntry id="stew"><text>"stew"</text></outputEntry></rule>
  </decisionTable></decision>
</definitions>
"""


def write_models(folder: Path) -> None:
    """Write the models as the files that the clients deploy."""
    for id, line in MODELS.items():
        (folder / f"{id}.bpmn").write_bytes(bpmn(line, id=id))
    (folder / "dish.dmn").write_text(_DISH)
