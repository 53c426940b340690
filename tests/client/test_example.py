"""The worker of the README and its example, without a broker."""

import importlib.util
from pathlib import Path

import pytest

from osmia import Client, Worker, testing

EXAMPLE = Path(__file__).parents[2] / "examples" / "dinner.py"


@pytest.fixture
def worker() -> Worker:
    spec = importlib.util.spec_from_file_location("dinner", EXAMPLE)
    dinner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dinner)
    return dinner.handlers(Client("127.0.0.1:1"))


def test_somebody_decides_what_is_for_dinner(worker: Worker) -> None:
    outcome = testing.handle(worker, testing.user_task("decide", variables={"guests": 4}))
    assert outcome.variables["dinner"]


def test_too_many_guests_are_an_error_of_the_model(worker: Worker) -> None:
    outcome = testing.handle(worker, testing.user_task("decide", variables={"guests": 13}))
    assert outcome.code == "too-many-guests"


def test_dinner_is_eaten(worker: Worker) -> None:
    outcome = testing.handle(worker, testing.user_task("eat", variables={"dinner": "pizza"}))
    assert outcome.variables == {"tasty": True}
