"""What a handler's signature asks for, and what becomes of its result; no broker."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pydantic
import pytest

from osmia import BpmnError, Client, Job, JobFailure, Worker, testing
from osmia.handler import VARIABLES_BYTES_MAX, Handler
from osmia.testing import Completed, ErrorThrown, Failed

TYPE = "order"


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class DataclassOrder:
    id: str
    lines: list[Line]


class StructOrder(msgspec.Struct):
    id: str
    lines: list[Line]


class PydanticOrder(pydantic.BaseModel):
    id: str
    lines: list[Line]


class OpenOrder(pydantic.BaseModel, extra="allow"):
    id: str


class AliasedOrder(msgspec.Struct, rename="camel"):
    order_id: str


ORDER = {"id": "o-1", "lines": [{"sku": "tea", "more": True}], "unknown": 1}


def outcome_of(function: Callable[..., Any], variables: object = None, **fields: Any) -> testing.Outcome:
    worker = Worker(Client("127.0.0.1:1"))
    worker.job(TYPE)(function)
    return testing.handle(worker, testing.job(TYPE, variables=variables, **fields))


@pytest.mark.parametrize("model", [DataclassOrder, StructOrder, PydanticOrder])
def test_one_model_takes_all_variables_and_leaves_unknown_ones_out(model: type) -> None:
    def handle(order: model) -> dict[str, Any]:
        return {"type": type(order).__name__, "line": order.lines[0]}

    assert outcome_of(handle, ORDER).variables == {"type": model.__name__, "line": {"sku": "tea", "count": 1}}
    assert list(dict.fromkeys(Handler(handle).fetch_variables)) == ["id", "lines"]


@pytest.mark.parametrize("model", [DataclassOrder, StructOrder, PydanticOrder])
def test_a_bad_value_in_a_model_is_told_with_its_path(model: type) -> None:
    def handle(order: model) -> None:
        raise AssertionError("not called")

    failed = outcome_of(handle, {"id": "o-1", "lines": [{"sku": 7}]})
    assert (failed.retries, failed.back_off_ms) == (0, 0)
    assert "lines" in failed.message
    assert "sku" in failed.message


def named(job: Job, amount: int, day: date, note: str = "none", extra: str | None = None) -> None: ...
def everything(**variables: Any) -> None: ...
def only_job(job: Job) -> None: ...
def two_models(order: DataclassOrder, line: Line) -> None: ...
def open_model(order: OpenOrder) -> None: ...
def aliased(order: AliasedOrder) -> None: ...


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (named, ["amount", "day", "note", "extra"]),
        (everything, None),
        (only_job, None),
        (two_models, ["order", "line"]),
        (open_model, None),
        (aliased, ["orderId"]),
    ],
)
def test_the_signature_tells_which_variables_to_fetch(function: Callable[..., Any], names: list[str] | None) -> None:
    assert Handler(function).fetch_variables == names


def test_variables_come_by_name_and_type() -> None:
    job = testing.job(TYPE, variables={"amount": 3, "day": "2030-01-31", "other": 1})
    assert Handler(named).arguments(job) == {"job": job, "amount": 3, "day": date(2030, 1, 31)}
    assert Handler(everything).arguments(job) == job.variables


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({}, "Expected variable 'amount'"),
        ({"amount": None}, "Expected `int`, got `null`"),
        ({"amount": "3"}, "Expected `int`, got `str`"),
        ({"amount": 1.5}, "Expected `int`, got `float`"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(variables: dict[str, Any], text: str) -> None:
    def handle(amount: int) -> None: ...

    assert text in outcome_of(handle, variables).message


@pytest.mark.parametrize("function", [lambda *values: None, eval("lambda a, /: None")])
def test_a_parameter_without_a_name_is_refused_at_registration(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="that can be given by name"):
        Handler(function)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, ""),
        ({}, "{}"),
        ({"day": date(2030, 1, 31)}, '{"day":"2030-01-31"}'),
        (Line("tea"), '{"sku":"tea","count":1}'),
        (AliasedOrder("o-1"), '{"orderId":"o-1"}'),
        (OpenOrder(id="o-1", more=2), '{"id":"o-1","more":2}'),
        ({"order": OpenOrder(id="o-1")}, '{"order":{"id":"o-1"}}'),
        ({"big": 9007199254740993}, '{"big":9007199254740993}'),
    ],
)
def test_a_result_becomes_variables(result: object, text: str) -> None:
    assert outcome_of(lambda: result) == Completed(text)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (5, "to return None, a mapping or a model, but found int"),
        ("{}", "but found str"),
        ([1], "but found list"),
        ({"x": object()}, "but found object"),
        ({"x": "y" * VARIABLES_BYTES_MAX}, "bytes, but found"),
    ],
)
def test_a_result_that_cannot_be_sent_is_not_tried_again(result: object, text: str) -> None:
    failed = outcome_of(lambda: result)
    assert failed.retries == 0
    assert text in failed.message


def raising(error: BaseException) -> Callable[[], None]:
    def handle() -> None:
        raise error

    return handle


def test_an_exception_costs_one_retry_and_a_growing_pause() -> None:
    worker = Worker(Client("127.0.0.1:1"), retry_first_ms=1_000, retry_max_ms=3_000)
    worker.job(TYPE)(raising(RuntimeError("down")))
    job = testing.job(TYPE, retries=9)
    pauses = [testing.handle(worker, job).back_off_ms for _ in range(4)]
    for pause, longest in zip(pauses, (1_000, 2_000, 3_000, 3_000), strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BpmnError("late"), ErrorThrown("late")),
        (BpmnError("late", "by far", {"days": 3}), ErrorThrown("late", "by far", '{"days":3}')),
        (JobFailure("no", retries=0), Failed("no", 0)),
        (JobFailure("no", retries=-4), Failed("no", 0)),
        (JobFailure("no", back_off_ms=5, variables={"a": 1}), Failed("no", 2, 5, '{"a":1}')),
        (BpmnError("late", variables={"x": {1, 2}}), ErrorThrown("late", "", '{"x":[1,2]}')),
    ],
)
def test_what_is_raised_on_purpose_says_the_outcome(error: BaseException, expected: object) -> None:
    assert outcome_of(raising(error)) == expected


def test_the_last_try_leaves_none() -> None:
    assert outcome_of(raising(RuntimeError("down")), retries=1).retries == 0
    assert outcome_of(raising(RuntimeError("down")), retries=0).retries == 0


def test_a_job_without_a_handler_is_told() -> None:
    with pytest.raises(LookupError, match="job type 'order'"):
        testing.handle(Worker(Client("127.0.0.1:1")), testing.job(TYPE))


def test_a_user_task_shows_its_people() -> None:
    job = testing.user_task("decide", assignee="ada", form_key="f-1")
    job.headers["io.camunda.zeebe:candidateGroups"] = '["cooks","guests"]'
    assert (job.assignee, job.form_key, job.candidate_groups, job.candidate_users) == (
        "ada",
        "f-1",
        ["cooks", "guests"],
        [],
    )
