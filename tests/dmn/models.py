"""Decision models in a few lines of text, and what they answer.

A table is its hit policy, its columns and its rules; cells are separated by `|`, outputs follow `=>`:

    COLLECT SUM: amount | country => fee
    > 100        | "DE"           => 1
    -            | -              => 2

A column may have a label in brackets (`amount [How much]`), an output the values that rank it (`fee <"a","b">`) and a
default (`fee ?0`).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from osmia_broker import dmn

NAMESPACE = "https://www.omg.org/spec/DMN/20191111/MODEL/"
_INPUT = re.compile(r"(?P<text>.*?)(?:\s*\[(?P<label>[^\]]*)\])?$")
_OUTPUT = re.compile(r"(?P<name>\w*)(?:\s*\[(?P<label>[^\]]*)\])?(?:\s*<(?P<values>[^>]*)>)?(?:\s*\?(?P<default>.*))?$")


def definitions(*elements: str, namespace: str = NAMESPACE, attributes: str = "") -> bytes:
    """A whole file, with the graph's id `graph`."""
    return f'<definitions xmlns="{namespace}" id="graph" name="The graph" {attributes}>{"".join(elements)}</definitions>'.encode()


def decision(id: str, logic: str, *, requires: str = "", knows: str = "", variable: str = "") -> str:
    """A decision with *logic*; *requires* and *knows* are ids, separated by blanks."""
    variable_element = f"<variable name={quoteattr(variable)}/>" if variable else ""
    return (
        f'<decision id="{id}" name="{id.title()}">{variable_element}{_requirements(requires, knows)}{logic}</decision>'
    )


def model(id: str, parameters: str, logic: str, *, knows: str = "") -> str:
    """A business knowledge model, its name its id."""
    formal = "".join(f'<formalParameter name="{name}"/>' for name in parameters.split())
    body = f"<encapsulatedLogic>{formal}{logic}</encapsulatedLogic>"
    return f'<businessKnowledgeModel id="{id}" name="{id}">{body}{_requirements("", knows)}</businessKnowledgeModel>'


def _requirements(requires: str, knows: str) -> str:
    decisions = [
        f'<informationRequirement><requiredDecision href="#{id}"/></informationRequirement>' for id in requires.split()
    ]
    models = [f'<knowledgeRequirement><requiredKnowledge href="#{id}"/></knowledgeRequirement>' for id in knows.split()]
    return "".join(decisions + models)


def literal(text: str) -> str:
    """A literal expression."""
    return f"<literalExpression>{_text(text)}</literalExpression>"


def context(*entries: tuple[str, str]) -> str:
    """A boxed context of (name, logic); an empty name makes the result."""
    return f"<context>{''.join(f'<contextEntry>{_variable(name)}{logic}</contextEntry>' for name, logic in entries)}</context>"


def _variable(name: str) -> str:
    return f"<variable name={quoteattr(name)}/>" if name else ""


def function(parameters: str, body: str) -> str:
    """Return a boxed function; the names of its parameters are separated by blanks."""
    formal = "".join(f'<formalParameter name="{name}"/>' for name in parameters.split())
    return f"<functionDefinition>{formal}{body}</functionDefinition>"


def boxed(tag: str, attributes: str = "", **parts: str) -> str:
    """Return a boxed conditional, filter or iterator; the parts are FEEL texts (`in_` stands for `in`)."""
    inner = "".join(f"<{name.strip('_')}>{literal(text)}</{name.strip('_')}>" for name, text in parts.items())
    return f"<{tag} {attributes}>{inner}</{tag}>"


def invocation(name: str, **bindings: str) -> str:
    """A call of the knowledge model *name* with FEEL texts for its parameters."""
    bound = "".join(f'<binding><parameter name="{key}"/>{literal(text)}</binding>' for key, text in bindings.items())
    return f"<invocation>{literal(name)}{bound}</invocation>"


def relation(columns: str, *rows: str) -> str:
    """A relation; the cells of a row are separated by `|`."""
    head = "".join(f'<column name="{name}"/>' for name in columns.split())
    body = "".join(f"<row>{''.join(literal(cell.strip()) for cell in row.split('|'))}</row>" for row in rows)
    return f"<relation>{head}{body}</relation>"


def table(text: str) -> str:
    """The decision table that *text* writes, ids `in1`, `out1`, `rule1` counted from 1."""
    head, *rows = [line.strip() for line in text.strip().splitlines() if line.strip()]
    policy, columns = head.split(":", 1)
    inputs, outputs = _halves(columns)
    kind, _, aggregation = policy.strip().rpartition(" ")
    if kind != "COLLECT":
        kind, aggregation = policy.strip(), ""
    hit = f'hitPolicy="{kind}"' + (f' aggregation="{aggregation}"' if aggregation else "")
    return "".join(
        [
            f"<decisionTable {hit if kind else ''}>",
            *(_input(number, each) for number, each in enumerate(inputs, 1)),
            *(_output(number, each) for number, each in enumerate(outputs, 1)),
            *(_rule(number, *_halves(row)) for number, row in enumerate(rows, 1)),
            "</decisionTable>",
        ]
    )


def _halves(row: str) -> tuple[list[str], list[str]]:
    left, _, right = row.partition("=>")
    return [cell.strip() for cell in left.split("|") if left.strip()], [
        cell.strip() for cell in right.split("|") if right.strip()
    ]


def _input(number: int, text: str) -> str:
    found = _INPUT.match(text)
    assert found is not None
    label = f" label={quoteattr(found['label'])}" if found["label"] else ""
    return f'<input id="in{number}"{label}><inputExpression>{_text(found["text"])}</inputExpression></input>'


def _output(number: int, text: str) -> str:
    found = _OUTPUT.match(text)
    assert found is not None, text
    attributes = "".join(f" {name}={quoteattr(found[name])}" for name in ("name", "label") if found[name])
    values = f"<outputValues>{_text(found['values'])}</outputValues>" if found["values"] else ""
    default = f"<defaultOutputEntry>{_text(found['default'])}</defaultOutputEntry>" if found["default"] else ""
    return f'<output id="out{number}"{attributes}>{values}{default}</output>'


def _rule(number: int, inputs: list[str], outputs: list[str]) -> str:
    cells = "".join(f"<inputEntry>{_text(cell)}</inputEntry>" for cell in inputs)
    results = "".join(f"<outputEntry>{_text(cell)}</outputEntry>" for cell in outputs)
    return f'<rule id="rule{number}">{cells}{results}</rule>'


def _text(text: str) -> str:
    return f"<text>{escape(text)}</text>"


def parse(*elements: str) -> dmn.DecisionGraph:
    """The graph of these decisions and knowledge models."""
    return dmn.parse("test.dmn", definitions(*elements))


def evaluate(logic: str, variables: Mapping[str, Any] | None = None) -> dmn.Evaluation:
    """What a single decision `asked` with *logic* answers; variables travel as JSON text, as they do in the broker."""
    return parse(decision("asked", logic)).evaluate("asked", as_json(variables or {}))


def as_json(variables: Mapping[str, Any]) -> dict[str, msgspec.Raw]:
    """Each of *variables* as its JSON text."""
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in variables.items()}


def output_of(evaluation: dmn.Evaluation) -> Any:
    """The output of an evaluation that did not fail, from its JSON text; no binary floats."""
    assert not evaluation.failure_message, evaluation.failure_message
    return msgspec.json.Decoder(float_hook=Decimal).decode(evaluation.output)


def menu(id: str, season: str = '"winter"') -> bytes:
    """A graph with a table and what it requires."""
    dish = table(f"""
        UNIQUE: season | guests => dish
        {season} | <= 8 => "soup"
        {season} | > 8  => "stew"
        "twice"  | -    => 1
        "twice"  | -    => 2
    """)
    text = definitions(decision(id, dish), decision(f"{id}_double", literal("guests * 2")))
    return text.replace(b'id="graph"', f'id="graph_{id}"'.encode())
