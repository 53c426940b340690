"""The OpenAPI documents against the broker that serves them: every part has a form, and each bound that they name is one that is checked."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from osmia_broker.http import api
from osmia_broker.http.openapi import document
from osmia_broker.http.operation import BASE, BASES, OPERATIONS, Operation
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

api.load()
DOCUMENTS: dict[str, Any] = {base: msgspec.json.decode(document("1", base)) for base in BASES}
Schema = dict[str, Any]
QUESTION = ("filter", "sort", "page")  # the members of a search, which have tests of their own


def described(operation: Operation) -> Schema:
    found: Schema = DOCUMENTS[operation.base]["paths"][operation.path][operation.method.lower()]
    return found


def resolved(schema: Schema, base: str) -> Schema:
    """The schema behind a reference, or that of a value which may be null."""
    if "$ref" in schema:
        return resolved(DOCUMENTS[base]["components"]["schemas"][schema["$ref"].rpartition("/")[2]], base)
    others = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return (
        resolved({**others[0], **{k: v for k, v in schema.items() if k != "anyOf"}}, base)
        if len(others) == 1
        else schema
    )


def contents(part: Schema) -> Iterator[Schema]:
    for content in part.get("content", {}).values():
        yield content["schema"]


def parts(schema: Schema, base: str, place: str, seen: tuple[int, ...] = ()) -> Iterator[tuple[str, Schema]]:
    """A schema and all inside it, each with its place."""
    schema = resolved(schema, base)
    yield place, schema
    if id(schema) in seen:
        return
    inside = [*schema.get("properties", {}).items()]
    inside += [
        (f"[{name}]", schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    ]
    inside += [(f"[{name}]", one) for name in ("anyOf", "oneOf") for one in schema.get(name, ())]
    for name, one in inside:
        yield from parts(one, base, f"{place}.{name}", (*seen, id(schema)))


def is_coarse(schema: Schema) -> bool:
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if not types:
        return not {"anyOf", "oneOf", "const", "enum"} & schema.keys() and not schema.get("description")
    if "object" in types and "properties" not in schema:
        return not schema.get("additionalProperties")
    return "array" in types and not schema.get("items")


@pytest.mark.parametrize("base", BASES)
def test_every_part_of_a_body_and_of_an_answer_has_a_form(base: str):
    """What may be anything says so: variables, a value of JSON."""
    coarse = []
    for operation in OPERATIONS:
        if operation.base != base:
            continue
        one = described(operation)
        whole = [("request", schema) for schema in contents(one.get("requestBody", {}))]
        for status, answer in one["responses"].items():
            if status.startswith("20") and status not in ("204", "202") and not [*contents(answer)]:
                coarse.append(f"{operation.name} {status} has no content")
            whole += [(status, schema) for schema in contents(answer)]
        for place, schema in whole:
            coarse += [f"{operation.name} {at}" for at, part in parts(schema, base, place) if is_coarse(part)]
    assert coarse == []


@pytest.mark.parametrize("base", BASES)
def test_a_body_is_described_by_the_members_that_are_read(base: str):
    """Two types with the same name in one document would have one description, that of the other."""
    for operation in OPERATIONS:
        if operation.base == base and operation.members:
            (schema,) = contents(described(operation)["requestBody"])
            assert resolved(schema, base)["properties"].keys() == operation.members, operation.name


# --- bounds

NAMED = {"processDefinitionId": "nobody"}
PLAN = {
    "migrationPlan": {
        "targetProcessDefinitionKey": "1",
        "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}],
    }
}
ONE = {"filter": {"processInstanceKey": "1"}}
#: What else a request must have, so that it is refused for the member alone.
WHOLE: dict[str, Any] = {
    "create_process_instance": NAMED,
    "activate_jobs": {"type": "t", "timeout": 1, "maxJobsToActivate": 1, "requestTimeout": -1},
    "throw_job_error": {"errorCode": "e"},
    "update_job": {"changeset": {"retries": 1}},
    "update_jobs": {"filter": {"jobKey": "1"}, "changeset": {"retries": 1}},
    "assign_user_task": {"assignee": "ada"},
    "publish_message": {"name": "m"},
    "correlate_message": {"name": "m"},
    "broadcast_signal": {"signalName": "s"},
    "evaluate_expression": {"expression": "=1"},
    "create_global_cluster_variable": {"name": "n", "value": 1},
    "update_global_cluster_variable": {"value": 1},
    "create_global_task_listener": {"id": "i", "type": "t", "eventTypes": ["all"]},
    "update_global_task_listener": {"type": "t", "eventTypes": ["all"]},
    "activate_ad_hoc_activities": {"elements": [{"elementId": "a"}]},
    "assign_business_id": {"businessId": "b"},
    "set_variables": {"variables": {"x": 1}},
    "migrate_process_instance": PLAN["migrationPlan"],
    "migrate_process_instances": ONE | PLAN,
    "modify_process_instances": ONE | {"moveInstructions": [{"sourceElementId": "a", "targetElementId": "b"}]},
}


#: How refusals name a member, if not as the request does.
WORDS = {
    "afterElementId": "runtime instruction",
    "businessId": "business id",
    "dueDate": "due date",
    "eventTypes": "event types",
    "followUpDate": "follow-up date",
    "processDefinitionVersion": "'version'",
    "tags": "tag",
    "tenantFilter": "tenant filter",
}


def bounds(schema: Schema) -> Iterator[tuple[str, Any, Any]]:
    """The bounds of a member: the keyword, a value beyond it, and one at it."""
    types = schema.get("type", [])
    if schema.get("enum"):
        yield "enum", "NO_SUCH_NAME", schema["enum"][0].lower()
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - 1, schema["minimum"]
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + 1, schema["maximum"]
    if schema.get("minLength") == 1:
        yield "minLength", "", "x"
    if "maxLength" in schema:
        yield "maxLength", "x" * (schema["maxLength"] + 1), "x" * schema["maxLength"]
    if "maxItems" in schema:
        items = [f"t{number}" for number in range(schema["maxItems"] + 1)]
        yield "maxItems", items, items[1:]
    if "maxProperties" in schema:
        names = [f"t{number}" for number in range(schema["maxProperties"] + 1)]
        yield "maxProperties", dict.fromkeys(names, 1), dict.fromkeys(names[1:], 1)
    if schema.get("format") == "date-time" and "string" in types:
        yield "format", "tomorrow", "2030-01-31T12:00:00Z"


def cases() -> Iterator[Any]:
    for operation in OPERATIONS:
        if operation.base != BASE or not operation.members or operation.name in ("pin_clock", "create_document_link"):
            continue
        (schema,) = contents(described(operation)["requestBody"])
        for place, part in parts(schema, BASE, "request"):
            path = place.split(".")[1:]
            if path[:1] and path[0] in QUESTION:
                continue
            for keyword, beyond, within in bounds(part):
                yield pytest.param(operation, path, beyond, within, id=f"{operation.name}-{'.'.join(path)}-{keyword}")


def with_value(body: Any, path: list[str], value: Any) -> Any:
    """The body with the value at this place, beside what it has."""
    if not path:
        return value
    name, *rest = path
    if name.startswith(("[any", "[one")):
        return with_value(body, rest, value)
    if name == "[items]":
        first = body[0] if isinstance(body, list) and body else {}
        return [with_value(first, rest, value)]
    if name.startswith("["):
        return {"name": with_value({}, rest, value)}
    given = body if isinstance(body, dict) else {}
    return {**given, name: with_value(given.get(name, {}), rest, value)}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A broker of its own: what is within the bounds may be done, such as a listener for all user tasks."""
    with running_broker(tmp_path_factory.mktemp("described")) as broker:
        rest = Rest(broker)
        yield rest
        rest.http.close()


@pytest.mark.parametrize(("operation", "path", "beyond", "within"), [*cases()])
def test_a_bound_that_the_document_names_is_checked(
    own: Rest, operation: Operation, path: list[str], beyond: Any, within: Any
):
    whole = WHOLE.get(operation.name, {})
    address = operation.path
    for name, (_, type_) in operation.path_types.items():
        address = address.replace(f"{{{name}}}", "nobody" if type_ is str else "99")
    member = next(name for name in reversed(path) if not name.startswith("["))
    said = {member.lower(), WORDS.get(member, member)}
    refused = own.ask(operation.method, address, with_value(whole, path, beyond))
    assert refused.status_code == 400, refused.text
    assert any(one in refused.json()["detail"].lower() for one in said), refused.text
    taken = own.ask(operation.method, address, with_value(whole, path, within))
    assert taken.status_code < 500, taken.text
    assert taken.status_code != 400 or not any(one in taken.json()["detail"].lower() for one in said), taken.text
