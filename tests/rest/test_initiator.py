"""Over REST, the header `Osmia-User` names the user who starts an instance (user-tasks.md, section 4)."""

import pytest

from tests.rest.conftest import Rest


@pytest.mark.parametrize(("headers", "value"), [({"Osmia-User": "demo"}, '"demo"'), ({}, "null")])
def test_the_caller_is_the_initiator(rest: Rest, unique: str, headers: dict[str, str], value: str):
    rest.deploy("start:start(initiator=starter) > a:job > end", unique, dialect="activiti")
    created = rest.post("/process-instances", {"processDefinitionId": unique}, headers=headers)
    found = rest.post("/variables/search", {"filter": {"processInstanceKey": created["processInstanceKey"]}})
    assert [(one["name"], one["value"]) for one in found["items"]] == [("starter", value)]
