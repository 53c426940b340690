"""What is no decision model: one line per fault, all faults at once, and nothing read that should not be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from osmia_broker import dmn
from tests.dmn.models import NAMESPACE, context, decision, definitions, invocation, literal, model, relation, table

TABLE = table("UNIQUE: x => out\n1 => 2")


def faults_of(content: bytes) -> list[tuple[str, str]]:
    with pytest.raises(dmn.InvalidModel) as refused:
        dmn.parse("test.dmn", content)
    assert str(refused.value).startswith("'test.dmn': ")
    return [(fault.element_id, fault.reason) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Failed to parse DMN: "),
        (b"no xml", "Failed to parse DMN: "),
        (definitions(decision("a", literal("1")))[:-5], "Failed to parse DMN: "),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "Failed to parse DMN: "),
        (
            b"<definitions/>",
            "Failed to parse DMN: Expected the root 'definitions' of DMN 1.1 to 1.5, but found 'definitions' of no namespace",
        ),
        (
            b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>',
            "Failed to parse DMN: Expected the root",
        ),
        (f'<decision xmlns="{NAMESPACE}"/>'.encode(), "Failed to parse DMN: Expected the root"),
        (
            b"<!DOCTYPE a>" + definitions(decision("a", literal("1"))),
            "Failed to parse DMN: Fatal Error at line 1: DOCTYPE is disallowed",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + definitions(),
            "Failed to parse DMN: Fatal Error at line 1: DOCTYPE is disallowed",
        ),
        (
            b'<!DOCTYPE a SYSTEM "http://localhost/a.dtd">' + definitions(),
            "Failed to parse DMN: Fatal Error at line 1: DOCTYPE is disallowed",
        ),
        (definitions("<a>" * 256 + "</a>" * 256), "Failed to parse DMN: "),
        (
            definitions("<a/>" * 250_001),
            "Failed to parse DMN: Fatal Error at line 1: Expected at most 250000 elements, but found more",
        ),
        (b" " * (4 * 1024 * 1024 + 1), "Failed to parse DMN: Expected at most 4194304 bytes, but found 4194305"),
    ],
)
def test_what_is_no_model_at_all(content: bytes, reason: str) -> None:
    [(element_id, found)] = faults_of(content)
    assert element_id == ""
    assert found.startswith(reason)
    assert "root:" not in found  # no content of a file


@pytest.mark.parametrize(
    ("elements", "element_id", "reason"),
    [
        ([decision("a", literal("1 +"))], "a", "FEEL expression: failed to parse expression '1 +': "),
        ([decision("a", literal(""))], "a", "Expected an expression, but found an empty text"),
        ([decision("a", literal("\ufeff \u200b"))], "a", "Expected an expression, but found an empty text"),
        ([decision("a", "<literalExpression/>")], "a", "Expected an expression, but found an empty text"),
        (
            [decision("a", table("UNIQUE: x => out\n> => 1"))],
            "rule1",
            "FEEL unary-tests: failed to parse expression '>': ",
        ),
        (
            [decision("a", table("UNIQUE: x + => out\n1 => 1"))],
            "in1",
            "FEEL expression: failed to parse expression 'x +': ",
        ),
        (
            [decision("a", table("UNIQUE: x => out\n1 => 1 1"))],
            "rule1",
            "FEEL expression: failed to parse expression '1 1': ",
        ),
        (
            [decision("a", table("UNIQUE: x => out ?1 1\n1 => 1"))],
            "out1",
            "FEEL expression: failed to parse expression '1 1': ",
        ),
        (
            [decision("a", TABLE.replace("<text>2</text>", "<text/>"))],
            "rule1",
            "Expected an expression, but found an empty text",
        ),
        (
            [decision("a", TABLE.replace("UNIQUE", "BEST"))],
            "a",
            "Expected a hit policy and aggregation of DMN, but found 'BEST'",
        ),
        (
            [decision("a", TABLE.replace("UNIQUE", "unique"))],
            "a",
            "Expected a hit policy and aggregation of DMN, but found 'unique'",
        ),
        (
            [decision("a", table("COLLECT AVG: x => out\n1 => 1"))],
            "a",
            "Expected a hit policy and aggregation of DMN, but found 'AVG'",
        ),
        (
            [decision("a", table("COLLECT SUM: x => y | z\n1 => 1 | 2"))],
            "a",
            "hit policy 'COLLECT' with aggregator is not defined for compound output",
        ),
        ([decision("a", table("UNIQUE: x => y | [Zed]\n1 => 1 | 2"))], "out2", "no output name defined for `Zed`"),
        ([decision("a", table("UNIQUE: x\n1"))], "a", "Expected at least one output, but found none"),
        (
            [decision("a", table("UNIQUE: x | y => out\n1 => 1"))],
            "rule1",
            "Expected 2 elements 'inputEntry', one for each column, but found 1",
        ),
        (
            [decision("a", table("UNIQUE: x => out\n1 => 1 | 2"))],
            "rule1",
            "Expected 1 element 'outputEntry', one for each column, but found 2",
        ),
        (
            [decision("a", '<decisionTable><input id="i"/><output id="o"/></decisionTable>')],
            "i",
            "Expected an expression",
        ),
        ([decision("a", "")], "a", "unsupported decision expression"),
        (
            [decision("a", "<functionDefinition/>")],
            "a",
            "unsupported decision expression: Expected one, but found none",
        ),
        (
            [decision("a", f'<functionDefinition kind="Java">{literal("1")}</functionDefinition>')],
            "a",
            "Expected a function in FEEL, but found kind 'Java'",
        ),
        ([decision("a", context(("b", "<forEach/>")))], "a", "unsupported decision expression 'forEach'"),
        (
            [decision("a", f"<for><in>{literal('[1]')}</in><return>{literal('1')}</return></for>")],
            "a",
            "Expected an attribute 'iteratorVariable', but found none",
        ),
        (
            [decision("a", f"<filter><in>{literal('[1]')}</in></filter>")],
            "a",
            "Expected an element 'match', but found none",
        ),
        (
            [decision("a", f"<conditional><if>{literal('x')}</if><then/><else>{literal('1')}</else></conditional>")],
            "a",
            "unsupported decision expression: Expected one, but found none",
        ),
        ([decision("a", context(("b", "")))], "a", "unsupported decision expression"),
        ([decision("a", relation("a b", "1"))], "a", "Expected 2 cells, one for each column, but found 1"),
        (
            [decision("a", literal("1"), requires="b").replace("#b", "elsewhere#b"), decision("b", literal("1"))],
            "a",
            "Unable to find a model element instance for id 'elsewhere#b'",
        ),
        ([decision("a", literal("1"), requires="gone")], "a", "Unable to find a model element instance for id 'gone'"),
        ([decision("a", literal("1"), knows="gone")], "a", "Unable to find a model element instance for id 'gone'"),
        (
            [decision("a", literal("1"), knows="b"), decision("b", literal("1"))],
            "a",
            "Unable to find a model element instance for id 'b'",
        ),
        (
            [decision("a", invocation("gone", p="1"))],
            "a",
            "Expected to invoke a knowledge model, but found none with name 'gone'",
        ),
        (
            [decision("a", literal("1"), requires="a")],
            "",
            "Invalid DMN model: Cyclic dependencies between decisions detected.",
        ),
        (
            [
                decision("a", literal("1"), requires="b"),
                decision("b", literal("1"), requires="c"),
                decision("c", literal("1"), requires="a"),
            ],
            "",
            "Invalid DMN model: Cyclic dependencies between decisions detected.",
        ),
        (
            [decision("a", literal("1")), model("f", "", literal("1"), knows="g"), model("g", "", invocation("f"))],
            "",
            "Invalid DMN model: Cyclic dependencies between knowledge models detected.",
        ),
        ([decision("a", literal("1")), model("f", "", "")], "f", "unsupported decision expression"),
        (
            [decision("a", literal("1")), '<businessKnowledgeModel id="f"/>'],
            "f",
            "Expected the knowledge model to have logic in FEEL",
        ),
        (
            [decision("a", literal("1")), decision("a", literal("2"))],
            "a",
            "Expected the id 'a' once, but found it 2 times",
        ),
        (
            [decision("a", literal("1")), '<inputData id="graph"/>'],
            "graph",
            "Expected the id 'graph' once, but found it 2 times",
        ),
        ([f"<decision>{literal('1')}</decision>"], "graph", "Expected 'decision' to have an id, but found none"),
        ([], "graph", "Expected at least one decision, but found none"),
        (
            [decision("a", '<literalExpression expressionLanguage="groovy"><text>1</text></literalExpression>')],
            "a",
            "Expected expression language 'feel', but found 'groovy'",
        ),
    ],
)
def test_a_fault_is_told_with_its_element(elements: list[str], element_id: str, reason: str) -> None:
    found = faults_of(definitions(*elements))
    assert any(each_id == element_id and each_reason.startswith(reason) for each_id, each_reason in found), found
    assert len(found) == 1 or "once" in reason or elements == [] or not elements[0].startswith("<decision id"), found


def test_a_chain_of_knowledge_models_is_bounded() -> None:
    models = [model(f"f{n}", "", literal("1"), knows=f"f{n + 1}") for n in range(16)]
    found = faults_of(definitions(decision("a", literal("1")), *models, model("f16", "", literal("1"))))
    assert found == [("f0", "Expected at most 16 knowledge models in a chain, but found 17")]


def test_all_faults_are_told_at_once() -> None:
    content = definitions(
        decision("a", literal("1 +"), requires="gone"),
        decision("b", table("BEST: x => out\n> => )\n1 => 1"), requires="c"),
        decision("c", "", requires="b"),
    )
    found = faults_of(content)
    assert [element for element, _ in found] == ["a", "", "a", "b", "rule1", "rule1", "c"]


def test_the_text_of_a_refusal_is_bounded_and_counts_the_rest() -> None:
    with pytest.raises(dmn.InvalidModel) as refused:
        dmn.parse("big.dmn", definitions(*(decision(f"d{n}", literal("(" * 300)) for n in range(30))))
    assert len(refused.value.faults) == 30
    assert str(refused.value).endswith("\nand 10 more")
    assert str(refused.value).startswith(
        "'big.dmn': - Element: d0\n    - ERROR: FEEL expression: failed to parse expression '((("
    )
    assert len(str(refused.value)) < 20 * 500


@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
        "http://www.omg.org/spec/DMN/20180521/MODEL/",
        "https://www.omg.org/spec/DMN/20191111/MODEL/",
        "https://www.omg.org/spec/DMN/20211108/MODEL/",
        "https://www.omg.org/spec/DMN/20230324/MODEL/",
    ],
)
def test_all_versions_of_dmn_are_read(namespace: str) -> None:
    assert dmn.parse("a.dmn", definitions(decision("a", TABLE), namespace=namespace)).id == "graph"


@pytest.mark.parametrize(
    "content",
    [
        definitions(
            decision("a", literal("1")),
            "<inputData id='x' name='X'/>",
            "<knowledgeSource id='y'/>",
            "<association id='z'/>",
        ),
        definitions(
            '<import namespace="urn:x" locationURI="http://localhost/x.dmn" importType="urn:y"/>',
            decision("a", literal("1")),
            attributes='xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://localhost/x.xsd"',
        ),
        definitions(
            decision("a", "<description>d</description><question>?</question>" + literal("1")),
            '<extensionElements><x xmlns="urn:tool" id="a"/></extensionElements>',  # a tool's own ids
        ),
        definitions(
            decision("a", literal("1")), attributes='expressionLanguage="https://www.omg.org/spec/DMN/20191111/FEEL/"'
        ),
        definitions(decision("a", '<x:own xmlns:x="urn:tool"/><!-- c -->' + literal("1"))),
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + definitions(decision("a", literal(" \n 1 \n "))),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>'
        + definitions(decision("a", literal('"\u00fc"'))).decode().encode("latin-1"),
    ],
)
def test_what_does_not_matter_is_ignored(content: bytes) -> None:
    assert [each.id for each in dmn.parse("a.dmn", content).decisions] == ["a"]


def test_a_deep_but_allowed_nesting_is_evaluated_or_fails_by_itself() -> None:
    logic = literal("1")
    for _ in range(120):
        logic = context(("", logic))
    evaluation = dmn.parse("a.dmn", definitions(decision("a", logic))).evaluate("a", {})
    assert evaluation.output == "1"


FRAGMENTS = st.sampled_from(
    [
        decision("a", literal("1")),
        decision("b", TABLE, requires="a"),
        decision("a", "", requires="b c"),
        model("f", "p", literal("p")),
        decision("c", invocation("f", p="x")),
        "<decision/>",
        decision("d", "<decisionTable/>"),
        "<context/>",
        TABLE,
        "x",
        decision("e", "<relation/>"),
        decision("g", "<invocation/>"),
        decision("h", "<context><contextEntry/></context>"),
        "&amp;",
        decision("i", literal("1"), knows="f"),
        "<businessKnowledgeModel id='k'><encapsulatedLogic/></businessKnowledgeModel>",
    ]
)


@given(
    st.binary(max_size=60)
    | st.text(max_size=40).map(str.encode)
    | st.lists(FRAGMENTS, max_size=6).map(lambda f: definitions(*f))
)
def test_parsing_raises_only_its_own_error(content: bytes) -> None:
    try:
        graph = dmn.parse("any.dmn", content)
    except dmn.InvalidModel as error:
        assert error.faults  # noqa: PT017, what may be raised is the test
    else:
        assert graph.decisions


@given(st.data())
@settings(max_examples=150)
def test_a_damaged_model_is_refused_or_still_evaluates(data: st.DataObject) -> None:
    """Elements and attributes of a good model are dropped or renamed at random."""
    root = etree.fromstring(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        element = data.draw(st.sampled_from(list(root.iter("*"))))
        parent = element.getparent()
        match data.draw(st.sampled_from(["drop", "empty", "text", "attributes", "repeat"])):
            case "drop" if parent is not None:
                parent.remove(element)
            case "empty":
                for inside in list(element):
                    element.remove(inside)
            case "text":
                element.text = data.draw(st.sampled_from(["", "1 +", "x", "gone", "null", "5"]))
            case "attributes":
                element.attrib.clear()
            case "repeat" if parent is not None:
                parent.append(etree.fromstring(etree.tostring(element)))
    try:
        graph = dmn.parse("damaged.dmn", etree.tostring(root))
    except dmn.InvalidModel:
        return
    for each in graph.decisions:
        evaluation = graph.evaluate(each.id, {"x": data.draw(st.none() | st.integers() | st.text(max_size=3))})
        assert bool(evaluation.failure_message) is bool(evaluation.failed_decision_id) is (evaluation.output == "")


GOOD = definitions(
    decision(
        "a",
        table('COLLECT SUM: x | y => out\n< 5 | - => x\n"a", 5 | "b" => 2\n- | not(3) => f(1)'),
        knows="f",
        requires="b",
    ),
    decision("b", context(("k", invocation("f", p="1")), ("", relation("a b", "1 | x", "2 | k"))), variable="bound"),
    model("f", "p", table("PRIORITY: p => o <2,1> | q ?0\n1 => 1 | 2\n- => 2 | 1")),
)
