"""Types of members with a JSON Schema for the OpenAPI document: free JSON, names, bounds and forms, as the calls behind check them.

The document only describes; each call refuses in words of its own. `tests/rest/test_described.py` compares both.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Raw

from osmia_broker.base.business_ids import BUSINESS_ID_CHARACTERS
from osmia_broker.calls import checks
from osmia_broker.calls.processes.new_instance import TAG_CHARACTERS
from osmia_broker.http.types import Body, Long, Text


def schema(**keywords: Any) -> Meta:
    """Add keywords of JSON Schema to the description of a type."""
    return Meta(extra_json_schema=keywords)


def one_of(*names: str) -> Meta:
    """Describe a text that is one of *names*; they are taken in any case."""
    return schema(enum=[*names])


def properties(**members: Any) -> dict[str, Any]:
    """Return the JSON Schema of an object with these members."""
    return {"type": "object", "properties": members}


TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer", "format": "int64"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
MOMENT = {"type": "string", "format": "date-time"}
KEY = {"type": "string", "pattern": "^-?[0-9]{1,19}$"}


def maybe(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a value that may be null."""
    return {**described, "type": [described["type"], "null"]}


#: Variables of a request, by name.
GivenVariables = Annotated[
    Raw, schema(type=["object", "null"], additionalProperties=True, description="Variables by name, any JSON each.")
]
#: The same in an answer.
SeenVariables = Annotated[Raw, schema(type="object", additionalProperties=True, description="Variables by name.")]
AnyJson = Annotated[Raw, schema(description="Any JSON value.")]
FreeObject = Annotated[
    dict[str, Any], schema(type="object", additionalProperties=True, description="An object of the caller's own.")
]
TextsByName = Annotated[Raw, schema(type="object", additionalProperties=TEXT)]
Int32 = Annotated[int, schema(format="int32", minimum=-(2**31), maximum=2**31 - 1)]
Positive32 = Annotated[int, schema(format="int32", minimum=1, maximum=2**31 - 1)]
Name = Annotated[Text, schema(minLength=1)]
LongName = Annotated[Text, schema(maxLength=checks.NAME_CHARACTERS)]
Tag = Annotated[Text, schema(minLength=1, maxLength=TAG_CHARACTERS)]
BusinessId = Annotated[Text, schema(minLength=1, maxLength=BUSINESS_ID_CHARACTERS)]
Moment = Annotated[Text, schema(anyOf=[MOMENT, {"const": ""}])]
OperationReference = Annotated[
    Long, schema(minimum=1, description="A number of the caller's own, from 1. It is taken and not kept.")
]


class Referenced(Body):
    """A request that may carry a number of the caller's own."""

    operation_reference: OperationReference | None = None
