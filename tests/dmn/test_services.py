"""Decision services, knowledge models that call themselves, and decisions without logic: DMN 1.4 and 1.5."""

import pytest

from osmia_broker import dmn
from osmia_broker.feel import Value
from tests.dmn.models import decision, definitions, invocation, literal, model

DMN_1_3 = "https://www.omg.org/spec/DMN/20191111/MODEL/"
DMN_1_5 = "https://www.omg.org/spec/DMN/20230324/MODEL/"
PRICE = (
    '<inputData id="i" name="amount"><variable name="amount" typeRef="number"/></inputData>',
    decision("price", literal("amount * rate"), requires="rate", variable="price"),
    decision("rate", literal("10"), variable="rate"),
)
SERVICE = (
    '<decisionService id="s" name="price of"><outputDecision href="#price"/>'
    '<inputDecision href="#rate"/><inputData href="#i"/></decisionService>'
)


def graph(*elements: str, namespace: str = DMN_1_5) -> dmn.DecisionGraph:
    return dmn.parse("a.dmn", definitions(*elements, namespace=namespace))


def asked(logic: str) -> dmn.Evaluation:
    return graph(*PRICE, SERVICE, decision("a", logic, requires="price", knows="s")).evaluate("a", {"amount": 1})


@pytest.mark.parametrize(
    ("logic", "value"),
    [
        (literal("price of(7, 2)"), 14),  # input data first, then decisions
        (literal("price of(rate: 2, amount: 7)"), 14),
        (literal("[price of(7, 2), price]"), [14, 10]),  # the decision outside has not changed
        (literal("price of(7)"), None),
        (literal("price of(7, 2, 1)"), None),
        (literal("price of(size: 7, rate: 2)"), None),
        (literal('price of("x", 2)'), None),  # of another type
        (literal("for each in [1, 2] return price of(each, 3)"), [3, 6]),
        (invocation("price of", amount="7", rate="2"), 14),
        (invocation("price of", amount="7"), None),  # null times 7
    ],
)
def test_a_decision_service_is_a_function(logic: str, value: Value) -> None:
    assert asked(logic).value == value


def test_an_input_decision_of_a_service_is_not_evaluated() -> None:
    evaluation = graph(*PRICE, SERVICE, decision("a", literal("price of(7, 2)"), knows="s")).evaluate("a", {})
    assert [each.decision_id for each in evaluation.evaluated_decisions] == ["price", "a"]


def test_a_service_of_several_decisions_gives_a_context() -> None:
    service = (
        '<decisionService id="s" name="s"><outputDecision href="#b"/><outputDecision href="#c"/></decisionService>'
    )
    known = graph(
        service,
        decision("b", literal("1")),
        decision("c", literal("b + 1"), requires="b"),
        decision("a", literal("s()"), knows="s"),
    )
    assert known.evaluate("a", {}).value == {"b": 1, "c": 2}


def test_a_failure_inside_a_service_fails_the_decision_that_calls_it() -> None:
    service = '<decisionService id="s" name="s"><outputDecision href="#b"/></decisionService>'
    known = graph(service, decision("b", literal('assert(1, false, "no")')), decision("a", literal("s()"), knows="s"))
    evaluation = known.evaluate("a", {})
    assert (evaluation.failed_decision_id, "no" in evaluation.failure_message) == ("a", True)


def test_a_service_that_a_loop_calls_is_not_listed_each_time() -> None:
    service = '<decisionService id="s" name="s"><outputDecision href="#b"/></decisionService>'
    loop = literal("count(for i in 1..3000 return s())")
    evaluation = graph(service, decision("b", literal("1")), decision("a", loop, knows="s")).evaluate("a", {})
    assert (evaluation.value, len(evaluation.evaluated_decisions)) == (3000, 1001)


def test_a_service_that_needs_itself_fails_by_itself() -> None:
    service = '<decisionService id="s" name="s"><outputDecision href="#a"/></decisionService>'
    assert graph(service, decision("a", literal("s()"), knows="s")).evaluate("a", {}).failed_decision_id == "a"


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ('<decisionService id="s" name="s"/>', "Expected the decision service to have an output, but found none"),
        (SERVICE.replace("#price", "#gone"), "Unable to find a model element instance for id 'gone'"),
        (SERVICE.replace("#rate", "#i"), "Unable to find a model element instance for id 'i'"),
    ],
)
def test_a_faulty_service_is_refused(service: str, reason: str) -> None:
    with pytest.raises(dmn.InvalidModel, match=reason):
        graph(*PRICE, service)


def test_earlier_versions_know_no_services() -> None:
    with pytest.raises(dmn.InvalidModel, match="Unable to find a model element instance for id 's'"):
        graph(*PRICE, SERVICE, decision("a", literal("1"), knows="s"), namespace=DMN_1_3)


def fibonacci(n: int, namespace: str) -> dmn.Evaluation:
    body = literal("if n < 2 then n else fib(n - 1) + fib(n - 2)")
    return graph(
        decision("a", literal(f"fib({n})"), knows="fib"), model("fib", "n", body), namespace=namespace
    ).evaluate("a", {})


def test_a_knowledge_model_may_call_itself() -> None:
    assert fibonacci(10, DMN_1_5).value == 55
    assert fibonacci(10, DMN_1_3).output == "null"  # as in the reference


def test_a_recursion_without_end_fails_by_itself() -> None:
    endless = model("f", "n", literal("f(n + 1)"))
    evaluation = graph(decision("a", literal("f(1)"), knows="f"), endless).evaluate("a", {})
    assert evaluation.failed_decision_id == "a"


def test_a_decision_without_logic_fails_only_when_it_is_evaluated() -> None:
    known = graph(decision("a", literal("b"), requires="b"), decision("b", ""), decision("c", literal("1")))
    assert known.evaluate("c", {}).output == "1"
    evaluation = known.evaluate("a", {})
    assert evaluation.failed_decision_id == "b"
    assert "Expected a decision with logic, but found none" in evaluation.failure_message
