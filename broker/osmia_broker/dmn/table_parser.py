"""Compile decision tables from XML; missing parts and parts that do not fit together are faults."""

from collections.abc import Mapping, Sequence

from lxml import etree

from osmia_broker import feel
from osmia_broker.base.counted import counted
from osmia_broker.dmn import hit_policy
from osmia_broker.dmn.column_index import ColumnIndex
from osmia_broker.dmn.document import attribute, child, children, one_line, text_of
from osmia_broker.dmn.errors import shorten
from osmia_broker.dmn.expressions import Expressions
from osmia_broker.dmn.hit_policy import HitPolicy
from osmia_broker.dmn.table import DecisionTable, Input, Output, Rule


def parse_table(element: etree._Element, expressions: Expressions) -> DecisionTable:
    """Compile a `decisionTable` element and collect its faults in *expressions*."""
    policy = _policy(element, expressions)
    inputs = tuple(_input(each, expressions) for each in children(element, "input"))
    clauses = list(children(element, "output"))
    _check_outputs(element, clauses, expressions)
    outputs = tuple(_output(each, policy, expressions) for each in clauses)
    rows = list(children(element, "rule"))
    cells = [list(children(row, "inputEntry")) for row in rows]
    for row, entries in zip(rows, cells, strict=True):
        _check_row(row, entries, len(inputs), "inputEntry", expressions)
    rules = tuple(_rule(row, entries, len(outputs), expressions) for row, entries in zip(rows, cells, strict=True))
    columns = tuple(ColumnIndex([_cell(entries, column) for entries in cells]) for column in range(len(inputs)))
    return DecisionTable(inputs, outputs, rules, columns, policy)


def _policy(element: etree._Element, expressions: Expressions) -> HitPolicy:
    name, aggregation = attribute(element, "hitPolicy"), attribute(element, "aggregation")
    try:
        policy = hit_policy.find(name, aggregation)
    except KeyError as error:
        expressions.fault(
            element, f"Expected a hit policy and aggregation of DMN, but found '{shorten(str(error.args[0]))}'"
        )
        return hit_policy.find("", "")
    if policy.name == "COLLECT" and aggregation and len(list(children(element, "output"))) > 1:
        expressions.fault(element, "hit policy 'COLLECT' with aggregator is not defined for compound output")
    return policy


def _input(element: etree._Element, expressions: Expressions) -> Input:
    expression = child(element, "inputExpression")
    text = one_line(text_of(expression))
    compiled = expressions.literal(element if expression is None else expression)
    return Input(attribute(element, "id"), attribute(element, "label") or text, compiled)


def _check_outputs(element: etree._Element, clauses: Sequence[etree._Element], expressions: Expressions) -> None:
    if not clauses:
        expressions.fault(element, "Expected at least one output, but found none")
    for clause in clauses if len(clauses) > 1 else ():
        if not attribute(clause, "name"):
            expressions.fault(clause, f"no output name defined for `{attribute(clause, 'label')}`")


def _output(element: etree._Element, policy: HitPolicy, expressions: Expressions) -> Output:
    name = attribute(element, "name")
    default = child(element, "defaultOutputEntry")
    return Output(
        attribute(element, "id"),
        name,
        attribute(element, "label") or name,
        None if not text_of(default) or default is None else expressions.literal(default),
        _ranks(element, expressions) if policy.is_ranked else {},
    )


def _ranks(element: etree._Element, expressions: Expressions) -> Mapping[object, int]:
    """Return the place of each value of `outputValues`, which are read as the items of a list."""
    values = child(element, "outputValues")
    text = text_of(values)
    if values is None or not text:
        return {}
    found = expressions.expression(values, f"[{text}]").evaluate({}).value
    if not isinstance(found, list):  # already a fault, or a list that cannot be evaluated
        return {}
    ranks: dict[object, int] = {}
    for value in found:
        ranks.setdefault(feel.equality_key(value), len(ranks))
    return ranks


def _check_row(
    row: etree._Element, entries: Sequence[etree._Element], columns: int, name: str, expressions: Expressions
) -> None:
    if len(entries) != columns:
        expressions.fault(
            row, f"Expected {counted(columns, 'element')} '{name}', one for each column, but found {len(entries)}"
        )


def _rule(row: etree._Element, cells: Sequence[etree._Element], columns: int, expressions: Expressions) -> Rule:
    entries = list(children(row, "outputEntry"))
    _check_row(row, entries, columns, "outputEntry", expressions)
    tests: dict[int, feel.UnaryTests] = {}
    for column, cell in enumerate(cells):
        test = expressions.unary_tests(cell)
        if test is not None:
            tests[column] = test
    return Rule(attribute(row, "id"), tests, tuple(expressions.literal(entry) for entry in entries))


def _cell(entries: Sequence[etree._Element], column: int) -> str:
    return text_of(entries[column]) if column < len(entries) else ""
