"""Evaluate an expression, as if it stood in a model."""

from typing import Annotated

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.processes.evaluation import EXPRESSION_CHARACTERS
from osmia_broker.http.described import AnyJson, GivenVariables, schema
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Item, Key, Text, variables_text


class Evaluation(Body):
    """An expression, and what it may read: variables, over those that an element instance sees."""

    expression: Annotated[Text, schema(minLength=1, maxLength=EXPRESSION_CHARACTERS)] | None = None
    tenant_id: Text | None = None
    scope_key: Key | None = None
    variables: GivenVariables = field(default_factory=Raw)


class Warning(Item):  # the contract's word
    """The reason why a part of an expression gave null."""

    message: str


class SecretReference(Item):
    """A secret that an expression names; there are none."""

    store_id: str
    secret_name: str


class Evaluated(Item):
    """The value of an expression."""

    expression: str
    result: AnyJson
    warnings: list[Warning]
    referenced_secrets: list[SecretReference]


@operation("POST", "/expression/evaluation", tag="Expression")
async def evaluate_expression(call: Call, body: Evaluation) -> Evaluated:
    """Evaluate an expression."""
    checks.default_tenant("Evaluate Expression", [body.tenant_id or ""])
    answer = await call.calls.evaluations.evaluate(
        body.expression or "", scope_key=body.scope_key or 0, variables=variables_text(body.variables)
    )
    return Evaluated(
        expression=body.expression or "",
        result=Raw(answer.value.encode()),
        warnings=[Warning(message=text) for text in answer.warnings],
        referenced_secrets=[],
    )
