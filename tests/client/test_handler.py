"""What a handler's signature asks for, and what becomes of its result; no broker."""

import asyncio
import functools
import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from osmia import AdHocResult, AllVariables, BpmnError, Client, Job, JobFailure, TaskListenerResult, Worker, testing
from osmia.handler import Handler
from osmia.testing import Completed, ErrorThrown, Failed
from osmia.variables import VARIABLES_BYTES_MAX

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


class Priced(pydantic.BaseModel):
    price: Annotated[Decimal, pydantic.Field(allow_inf_nan=True)]
    code: str


class AliasedOrder(msgspec.Struct, rename="camel"):
    order_id: str


LOOP: dict[str, Any] = {}
LOOP["loop"] = LOOP
ORDER = {"id": "o-1", "lines": [{"sku": "tea", "more": True}], "unknown": 1}


def outcome_of(function: Callable[..., Any], variables: object = None, **fields: Any) -> testing.Outcome:
    worker = Worker(Client("127.0.0.1:1"))
    worker.job(TYPE)(function)
    return testing.handle(worker, testing.job(TYPE, variables=variables, **fields))


@pytest.mark.parametrize("model", [DataclassOrder, StructOrder, PydanticOrder])
def test_a_marked_model_takes_all_variables_and_leaves_unknown_ones_out(model: type) -> None:
    def handle(order: AllVariables[model]) -> dict[str, Any]:
        return {"type": type(order).__name__, "line": order.lines[0]}

    assert outcome_of(handle, ORDER).variables == {"type": model.__name__, "line": {"sku": "tea", "count": 1}}
    assert list(dict.fromkeys(Handler(handle).fetch_variables)) == ["id", "lines"]


@pytest.mark.parametrize("model", [DataclassOrder, StructOrder, PydanticOrder])
def test_a_bad_value_in_a_model_is_told_with_its_path(model: type) -> None:
    def handle(order: AllVariables[model]) -> None:
        raise AssertionError("not called")

    failed = outcome_of(handle, {"id": "o-1", "lines": [{"sku": 7}]})
    assert (failed.retries, failed.back_off_ms) == (0, 0)
    assert "lines" in failed.message
    assert "sku" in failed.message


def named(job: Job, amount: int, day: date, note: str = "none", extra: str | None = None) -> None: ...
def everything(**variables: Any) -> None: ...
def by_name(amount: int, note: str = "none") -> None: ...
def only_job(job: Job) -> None: ...
def one_model(order: DataclassOrder) -> None: ...
def two_models(order: DataclassOrder, line: Line) -> None: ...
def open_model(order: AllVariables[OpenOrder]) -> None: ...
def aliased(order: AllVariables[AliasedOrder]) -> None: ...
def both_ways(order: AllVariables[AliasedOrder], line: Line) -> None: ...
def as_dict(values: AllVariables[dict[str, Any]]) -> None: ...


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (by_name, ["amount", "note"]),
        (named, None),  # it may read any variable from the job
        (everything, None),
        (only_job, None),
        (one_model, ["order"]),
        (two_models, ["order", "line"]),
        (both_ways, ["line", "orderId"]),
        (as_dict, None),
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


@dataclass
class Counted:
    n: int | None


@dataclass
class ManyCounted:
    lines: list[Counted]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({}, "Expected variable 'amount'"),
        (
            {"amount": None},
            "to fit handler 'test_a_variable_that_does_not_fit_is_refused.<locals>.handle', but found that it is null and not a whole number",
        ),
        ({"amount": "3"}, "but found that it is a text and not a whole number"),
        ({"amount": 1.5}, "but found that it is a number and not a whole number"),
        (
            {"amount": 1, "order": {"lines": [{"n": "x"}]}},
            "found that lines[0].n is a text and not a whole number or null",
        ),
        ({"amount": 1, "order": {"lines": {}}}, "found that lines is an object and not a list"),
        ({"amount": 1, "order": {}}, "but found this: Object missing required field `lines`"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(variables: dict[str, Any], text: str) -> None:
    def handle(amount: int, order: ManyCounted | None = None) -> None: ...

    assert text in outcome_of(handle, variables).message


@pytest.mark.parametrize("more", [{}, {"job": Job}, {"note": str}])
def test_a_model_is_the_variable_of_its_name_whatever_stands_beside_it(more: dict[str, type]) -> None:
    def handle(order: StructOrder, **rest: Any) -> dict[str, str]:
        return {"id": order.id}

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=more[name]) for name in more]
    first = inspect.Parameter("order", inspect.Parameter.KEYWORD_ONLY, annotation=StructOrder)
    handle.__signature__ = inspect.Signature([first, *parameters])
    variables = {"order": {"id": "inner", "lines": []}, "id": "outer", "lines": [], "note": "n"}
    assert outcome_of(handle, variables).variables == {"id": "inner"}


def test_a_model_without_its_variable_is_told_how_to_take_all() -> None:
    def handle(order: StructOrder) -> None: ...

    failed = outcome_of(handle, ORDER)
    assert failed.retries == 0
    assert "Expected variable 'order'" in failed.message
    assert "write 'order: AllVariables[StructOrder]'" in failed.message


@pytest.mark.parametrize("type_", [int, list[str], "Line | None"])
def test_all_variables_are_read_as_a_model_or_a_dict(type_: Any) -> None:
    def handle(order: AllVariables[type_]) -> None: ...

    with pytest.raises(TypeError, match="AllVariables of a dataclass, a model or a dict"):
        Handler(handle)


@pytest.mark.parametrize(("names", "seen"), [(True, {"a": 1, "b": 2}), (["a"], {"a": 1}), (False, {"a": 1, "b": 2})])
def test_a_handler_sees_the_same_variables_in_a_test_as_in_production(names: Any, seen: dict[str, int]) -> None:
    worker = Worker(Client("127.0.0.1:1"))

    @worker.job(TYPE, fetch_variables=names)
    def handle(job: Job, a: int) -> dict[str, Any]:
        return job.variables

    assert testing.handle(worker, testing.job(TYPE, variables={"a": 1, "b": 2})).variables == seen


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
        ({"total": Decimal("190.10")}, '{"total":190.10}'),
        ({"none": None, "number": 1.5}, '{"none":null,"number":1.5}'),
        (Priced(price=Decimal("1.50"), code="1.50"), '{"price":1.50,"code":"1.50"}'),
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
        ({"a": 1, "x": "y" * VARIABLES_BYTES_MAX}, "of at most 2097152 bytes, but found 2097166; the largest is 'x'"),
        ({"x": "ü" * (VARIABLES_BYTES_MAX // 2)}, "but found 2097160"),  # bytes count, not characters
        ({"v": float("nan")}, "variable 'v' to be a finite number, but found nan"),
        ({"o": {"lines": [{"n": float("-inf")}]}}, "variable 'o.lines[0].n' to be a finite number, but found -inf"),
        ({"v": Decimal("NaN")}, "variable 'v' to be a finite number, but found NaN"),
        (Priced(price=Decimal("Infinity"), code=""), "variable 'price' to be a finite number"),
        (LOOP, ""),
    ],
)
def test_a_result_that_cannot_be_sent_is_not_tried_again(result: object, text: str) -> None:
    failed = outcome_of(lambda: result)
    assert failed.retries == 0
    assert text in failed.message


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (int, 5.0, 5),
        (list[int], [5.0], [5]),
        (float, 5, 5.0),
        (Decimal, 190.1, Decimal("190.1")),
        (datetime, "2030-01-31T10:00:00+01:00[Europe/Berlin]", "2030-01-31T10:00:00+01:00"),
        (int | None, None, None),
    ],
)
def test_numbers_and_moments_are_read_as_feel_writes_them(type_: Any, value: object, read: object) -> None:
    def handle(v: type_) -> dict[str, Any]:
        return {"read": v}

    assert outcome_of(handle, {"v": value}).variables == {"read": float(read) if isinstance(read, Decimal) else read}


def raising(error: BaseException) -> Callable[[], None]:
    def handle() -> None:
        raise error

    return handle


def test_an_ad_hoc_decision_becomes_an_outcome_with_variables_as_text() -> None:
    outcome = outcome_of(lambda: AdHocResult({"x": {"n": 1}, "y": None}, is_fulfilled=True, variables={"v": 2}))
    assert outcome == Completed('{"v":2}', AdHocResult({"x": '{"n":1}', "y": ""}, is_fulfilled=True))


@pytest.mark.parametrize(
    "decision", [AdHocResult({"x": [1]}), AdHocResult(variables=3), AdHocResult({"x": {"a": object()}})]
)
def test_an_ad_hoc_decision_that_cannot_be_sent_is_not_tried_again(decision: AdHocResult) -> None:
    outcome = outcome_of(lambda: decision)
    assert isinstance(outcome, Failed)
    assert outcome.retries == 0


def test_a_task_listeners_decision_becomes_an_outcome() -> None:
    decision = TaskListenerResult(is_denied=True, reason="too early")
    assert outcome_of(lambda: decision) == Completed(result=decision)


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


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), pytest.fail.Exception("no")])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_that_ends_programs_only_fails_the_job(error: BaseException, is_async: bool) -> None:
    async def handle() -> None:
        raise error

    failed = outcome_of(handle if is_async else raising(error))
    assert failed.retries == 2
    assert type(error).__name__ in failed.message


def broken() -> None:
    json.loads("{bad")


@pytest.mark.parametrize(
    ("function", "retries", "level", "text"),
    [
        (broken, 3, "WARNING", "2 retries left: JSONDecodeError"),
        (broken, 2, "WARNING", "1 retry left: JSONDecodeError"),
        (broken, 1, "ERROR", "0 retries left: JSONDecodeError"),
        (functools.partial(broken), 3, "WARNING", "2 retries left: JSONDecodeError"),
        (by_name, 3, "ERROR", "0 retries left: Expected variable 'amount'"),
        (lambda: 5, 3, "ERROR", "0 retries left: Expected handler"),
        (lambda: {"x": float("nan")}, 3, "ERROR", "0 retries left: Expected variable 'x'"),
    ],
)
def test_each_failure_is_logged(
    caplog: pytest.LogCaptureFixture, function: Callable[..., Any], retries: int, level: str, text: str
) -> None:
    outcome_of(function, retries=retries)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("osmia.worker", level)
    assert f"({TYPE}) failed, {text}" in record.message
    if "JSONDecodeError" in text:
        assert record.exc_info
        assert f"{Path(__file__).name}:{broken.__code__.co_firstlineno + 1} in broken)" in record.message


def test_a_bpmn_error_is_logged_as_a_thing_that_the_model_expects(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "osmia.worker")
    outcome_of(raising(BpmnError("late", "by far")))
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("INFO", None)]
    assert "threw BPMN error late: by far" in caplog.text


def test_a_job_without_a_handler_is_told() -> None:
    with pytest.raises(LookupError, match="job type 'order'"):
        testing.handle(Worker(Client("127.0.0.1:1")), testing.job(TYPE))


def test_a_user_task_shows_its_people() -> None:
    job = testing.user_task(
        "decide",
        assignee="ada",
        form_key="f-1",
        candidate_groups=["cooks", "guests"],
        due_date="2030-01-31T10:00:00Z",
    )
    assert (job.assignee, job.form_key, job.due_date, job.follow_up_date) == ("ada", "f-1", "2030-01-31T10:00:00Z", "")
    assert (job.candidate_groups, job.candidate_users) == (["cooks", "guests"], [])
    assert job.is_user_task
    assert not testing.job(TYPE).is_user_task


# --- the time of a handler


async def test_an_async_handler_that_takes_too_long_is_cancelled_and_its_job_has_failed() -> None:
    worker = Worker(Client("127.0.0.1:1"), handler_timeout_ms=10)
    ended: list[str] = []

    @worker.job(TYPE)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    outcome = await worker.handle(testing.job(TYPE))
    assert isinstance(outcome, Failed)
    assert (outcome.retries, ended) == (2, ["cancelled"])
    assert "to end within 10 ms, but it was cancelled" in outcome.message


async def test_the_timeout_of_a_handler_s_own_call_keeps_its_text() -> None:
    worker = Worker(Client("127.0.0.1:1"))

    @worker.job(TYPE, handler_timeout_ms=60_000)
    async def call() -> None:
        raise TimeoutError("the bank did not answer")

    outcome = await worker.handle(testing.job(TYPE))
    assert isinstance(outcome, Failed)
    assert "the bank did not answer" in outcome.message


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)])
def test_a_time_for_handlers_that_is_none_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="handler_timeout_ms"):
        Worker(Client("127.0.0.1:1"), handler_timeout_ms=value)
