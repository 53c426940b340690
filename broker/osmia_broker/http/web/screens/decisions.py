"""The deployed decisions: the list, and one of them with its table or graph, and a way to try it."""

from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from osmia_broker.base.errors import Rejection
from osmia_broker.base.untrusted_xml import in_utf8
from osmia_broker.engine.answers import EvaluatedDecision
from osmia_broker.http.web.json_texts import Fault, object_fault
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import DECISION_DEFINITIONS
from osmia_broker.store.read.search.search import get

DECISIONS = "/decisions"
VERSIONS_MAX = 200


@screen(DECISIONS)
async def show_decisions(visit: Visit) -> Response:
    """List the latest version of each decision."""
    found = await visit.search(
        DECISION_DEFINITIONS, {"isLatestVersion": True}, sort=("name",), after=visit.asked("after")
    )
    return await visit.page(
        "decisions.html",
        items=found.items,
        next=address_of(DECISIONS, after=found.next) if found.next else "",
        first=DECISIONS if visit.asked("after") else "",
    )


@screen(DECISIONS + "/{key:int}")
async def show_decision(visit: Visit, key: int) -> Response:
    """Show one version of a decision."""
    return await _shown(visit, key)


@screen(DECISIONS + "/{key:int}/xml")
async def send_graph(visit: Visit, key: int) -> Response:
    """Send the DMN file of a decision to the viewer."""
    found = await files.content_of(visit.reader, "decision definition", key)
    return Response(in_utf8(found.content), media_type="text/xml", headers={"cache-control": "no-store"})


@action(DECISIONS + "/{key:int}")
async def evaluate_decision(visit: Visit, key: int) -> Response:
    """Evaluate a decision, and show its output and the rules that matched."""
    variables = await visit.field("variables") or "{}"
    fault = object_fault(variables)
    if fault is not None:
        return await _shown(visit, key, variables=variables, fault=fault, status=400)
    try:
        evaluated = await visit.calls.evaluate_decision("", key, variables)
    except Rejection as refusal:
        return await _shown(visit, key, variables=variables, refused=f"{str(refusal).rstrip('.')}.", status=400)
    return await _shown(visit, key, variables=variables, evaluated=evaluated)


@dataclass(frozen=True, slots=True)
class Step:
    """A decision that was evaluated, as people read it: values are JSON text."""

    name: str
    inputs: list[tuple[str, str]]
    has_rules: bool
    rules: list[tuple[int, list[tuple[str, str]]]]
    output: str


async def _shown(
    visit: Visit,
    key: int,
    *,
    variables: str = "{}",
    fault: Fault | None = None,
    evaluated: EvaluatedDecision | None = None,
    refused: str = "",
    status: int = 200,
) -> Response:
    definition = await get(visit.reader, DECISION_DEFINITIONS, key, "decision definition")
    versions = await visit.search(
        DECISION_DEFINITIONS,
        {"decisionDefinitionId": definition["decisionDefinitionId"]},
        sort=("-version",),
        limit=VERSIONS_MAX,
    )
    return await visit.page(
        "decision.html",
        status=status,
        refused=refused,
        definition=definition,
        versions=versions.items,
        variables=variables,
        fault=fault,
        is_evaluated=evaluated is not None,
        output=_pretty(evaluated.evaluation.output or "null") if evaluated else "",
        failure=evaluated.evaluation.failure_message if evaluated else "",
        steps=_steps(evaluated) if evaluated else [],
    )


def _steps(evaluated: EvaluatedDecision) -> list[Step]:
    return [
        Step(
            name=one.decision_name or one.decision_id,
            inputs=[(input.input_name, input.input_value) for input in one.evaluated_inputs],
            has_rules=one.decision_type == "DECISION_TABLE",
            rules=[
                (rule.rule_index, [(output.output_name, output.output_value) for output in rule.evaluated_outputs])
                for rule in one.matched_rules
            ],
            output=_pretty(one.output),
        )
        for one in evaluated.evaluation.evaluated_decisions
    ]


def _pretty(text: str) -> str:
    """Write JSON over several lines, as people read it. Its numbers keep their digits."""
    return msgspec.json.format(text, indent=2)
