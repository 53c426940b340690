"""The filter of the list of instances, as it stands in the address."""

from dataclasses import dataclass
from typing import Any

from osmia_broker.http.web.json_texts import as_text, json_of
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.state.json_text import canonical
from osmia_broker.store.read.entities import PROCESS_INSTANCES

Conditions = dict[str, Any]

STATES = {
    "active": "Active",
    "incidents": "Incidents",
    "suspended": "Suspended",
    "completed": "Completed",
    "canceled": "Canceled",
    "all": "All",
}
ALIASES = {"incident": "incidents"}  # as the command line has it
_CONDITIONS: dict[str, Conditions] = {
    "active": {"state": {"$in": ["ACTIVE", "SUSPENDED"]}},
    "incidents": {"hasIncident": True},
    "suspended": {"state": "SUSPENDED"},
    "completed": {"state": "COMPLETED"},
    "canceled": {"state": "TERMINATED"},
    "all": {},
}


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """The filter that the address asks for. *problem* says why the variable cannot be understood; nothing passes then."""

    state: str
    process: str
    variable: str
    incident: str
    problem: str
    conditions: Conditions
    unknown_state: str = ""  #: a state that there is not; the active instances are shown

    def address(self, path: str, **more: object) -> str:
        """Return an address with this filter."""
        return address_of(
            path, process=self.process, state=self.state, incident=self.incident, variable=self.variable, **more
        )


async def filter_of(visit: Visit) -> InstanceFilter:
    """Read the filter of the address. An unknown state shows the active instances, and is named."""
    asked = visit.asked("state")
    state = ALIASES.get(asked.lower(), asked.lower())
    unknown, state = (asked, "active") if asked and state not in STATES else ("", state or "active")
    process, variable, incident = visit.asked("process"), visit.asked("variable"), visit.asked("incident").lower()
    conditions = dict(_CONDITIONS[state])
    if process:
        conditions["processDefinitionKey" if number_in(process) is not None else "processDefinitionId"] = process
    if incident in ("true", "false"):
        conditions["hasIncident"] = incident == "true"
    problem = ""
    if variable:
        name, equals, text = variable.partition("=")
        if not equals or not name.strip():
            problem = "Expected name=value, such as amount=12 or city=Bern."
        else:
            texts = json_texts(text.strip())
            alternatives = [{"variables": [{"name": name.strip(), "value": value}]} for value in texts]
            conditions |= await _first_found(visit, conditions, alternatives)
    return InstanceFilter(state, process, variable, incident, problem, conditions, unknown)


async def _first_found(visit: Visit, conditions: Conditions, alternatives: list[Conditions]) -> Conditions:
    """Return the first alternative that an instance passes. One after the other: each is a look into an index, all at once are a scan."""
    for one in alternatives[:-1]:
        found = await visit.search(PROCESS_INSTANCES, conditions | one, limit=1)
        if found.items:
            return one
    return alternatives[-1]


def json_texts(text: str) -> list[str]:
    """Return the JSON texts that somebody may mean who types *text*: a JSON value first, then a text without its quotes."""
    return list(dict.fromkeys((canonical(json_of(text)), as_text(text))))
