"""Processes of the Activiti dialect with their extension files, for tests."""

from typing import Any

import msgspec

from osmia_broker.engine import commands
from tests.bpmn import bpmn
from tests.doors import EngineDoor, parsed
from tests.harness import Scenario

USER_TASK = "io.camunda.zeebe:userTask"


def extension_file(id: str = "process", **extensions: Any) -> bytes:
    """The extension file of one process: `properties`, `mappings`, `constants` …"""
    return msgspec.json.encode({"id": "model", "type": "PROCESS", "extensions": {id: extensions}})


def properties(**given: Any) -> dict[str, Any]:
    """Declared variables: `order="string"`, or `order={"type": "json", "value": {}}`."""
    return {
        f"id-{name}": {"id": f"id-{name}", "name": name, **(one if isinstance(one, dict) else {"type": one})}
        for name, one in given.items()
    }


def variable(name: str) -> dict[str, Any]:
    """A source that copies a variable."""
    return {"type": "variable", "value": name}


def value(given: Any) -> dict[str, Any]:
    """A source that is written in the file."""
    return {"type": "value", "value": given}


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """A source that patches its target."""
    return {"type": "jsonpatch", "value": list(operations)}


def deployed(door: Any, line: str, *, extra: str = "", id: str = "process", **extensions: Any) -> None:
    """Deploy *line* in the Activiti dialect, with an extension file if anything is given for it."""
    files = [(f"{id}.bpmn", bpmn(line, id=id, dialect="activiti", extra=extra))]
    if extensions:
        files.append((f"{id}-extensions.json", extension_file(id, **extensions)))
    door.deploy(*files)


def played(
    door: Any, line: str, scenario: str, *, refused: str | None = None, extra: str = "", **extensions: Any
) -> Scenario:
    """Deploy *line* and its extensions, then play."""
    deployed(door, line, extra=extra, **extensions)
    scenario_at_door = Scenario(door)
    scenario_at_door.play(scenario, refused)
    return scenario_at_door


def started_by(
    door: EngineDoor, user: str, variables: str = "{}", id: str = "process", *, business_id: str = ""
) -> Scenario:
    """Start an instance for *user*; an empty one is nobody."""
    command = commands.CreateProcessInstance(id, -1, 0, parsed(variables), initiator=user, business_id=business_id)
    scenario = Scenario(door)
    scenario.instance = int(door.do(command).process_instance_key)
    return scenario
