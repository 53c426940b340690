"""A wrong argument of a call is named before anything is sent."""

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from osmia import Client, Unavailable, variables


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: c.create_instance(123), "Expected bpmn_process_id to be a text, but found 123"),
        (lambda c: c.publish_message("x", 5), "Expected correlation_key to be a text, but found 5"),
        (lambda c: c.complete_job("abc"), "Expected job_key to be an integer, but found 'abc'"),
        (lambda c: c.complete_job(True), "Expected job_key to be an integer, but found True"),
        (lambda c: c.fail_job(1, retries="2"), "Expected retries to be an integer, but found '2'"),
        (lambda c: c.publish_message("x", "k", time_to_live_ms=1.5), "Expected time_to_live_ms to be an integer"),
        (lambda c: c.activate_jobs("t", fetch_variables="amount"), "Expected fetch_variables to be a list of names"),
        (lambda c: c.search_instances(parent_key=None), "Expected parent_key to be an integer, but found None"),
        (lambda c: c.user_tasks.get("7"), "Expected key to be an integer, but found '7'"),
        (lambda c: c.user_tasks.claim(7, groups="cooks"), "Expected groups to be a list of names, but found 'cooks'"),
        (lambda c: c.documents.create("text"), "Expected content to be bytes, but found 'text'"),
        (lambda c: c.documents.create(bytearray(b"x")), "Expected content to be bytes, but found bytearray"),
        (lambda c: c.user_tasks.claim(7, user=None), "Expected user to be a text, but found None"),
        (lambda c: c.deploy(12), "Expected a resource to be a path, or a name and its bytes, but found 12"),
        (lambda c: c.deploy(["a.bpmn"]), "or a name and its bytes, but found ['a.bpmn']"),
        (lambda c: c.deploy(b"<x/>"), "or a name and its bytes, but found b'<x/>'"),
        (lambda c: c.deploy(("a.bpmn", "<x/>")), "or a name and its bytes, but found a tuple of str, str"),
        (lambda c: c.deploy(("a.bpmn",)), "or a name and its bytes, but found a tuple of str"),
        (lambda c: c.check_deployment(None), "or a name and its bytes, but found None"),
        (lambda c: c.deploy_process(()), "or a name and its bytes, but found a tuple of nothing"),
    ],
)
async def test_a_wrong_argument_is_named(call: Any, text: str) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=re.escape(text)):
            await call(client)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [("nix.bpmn", FileNotFoundError, "No such file"), (".", IsADirectoryError, "Is a directory")],
)
async def test_a_file_that_cannot_be_deployed_is_named_with_its_folder(
    name: str, kind: type[OSError], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(kind, match=f"Expected a file to deploy at '{tmp_path}.*', but found: {reason}"):
            await client.deploy(name)


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda c: c.search_variables(), "Client.search_variables()"),
        (lambda c: c.complete_job(), "Client.complete_job()"),
        (lambda c: c.topology(1), "Client.topology()"),
        (lambda c: c.events(nothing=1), "Client.events()"),
        (lambda c: c.user_tasks.claim(), "Client.user_tasks.claim()"),
        (lambda c: c.batches.cancel(), "Client.batches.cancel()"),
    ],
)
async def test_a_missing_or_surplus_argument_is_told_of_the_call_as_people_know_it(call: Any, place: str) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=rf"^{re.escape(place)} "):
            await call(client)


def test_every_call_is_named_by_its_place() -> None:
    client = Client("127.0.0.1:1")
    groups = {name: group for name, group in vars(client).items() if not name.startswith("_")}
    assert "batches" in groups
    for place, calls in {"Client": client, **{f"Client.{name}": group for name, group in groups.items()}}.items():
        methods = [name for name in dir(calls) if not name.startswith("_") and callable(getattr(calls, name))]
        assert methods, place
        assert {getattr(calls, name).__qualname__ for name in methods} == {f"{place}.{name}" for name in methods}


class Whole:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 7


async def test_what_is_right_goes_to_the_broker() -> None:
    async with Client("127.0.0.1:1", call_timeout_ms=10_000) as client:
        for call in (client.complete_job(Whole(), lease_token=""), client.create_instance("p", business_id=None)):
            with pytest.raises(Unavailable):
                await call


async def test_nobody_at_the_address_is_said_in_words() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(
            Unavailable, match=r"No broker answers at 127\.0\.0\.1:1: start one with `osmia broker`"
        ) as failed:
            await client.topology()
    assert "No broker" not in failed.value.details  # what gRPC said


async def test_another_program_at_the_address_is_said_in_words() -> None:
    import asyncio

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"127.0.0.1:{port}") as client:
            with pytest.raises(Unavailable, match=f"At 127.0.0.1:{port} answers a program that does not speak gRPC"):
                await client.topology()


def test_the_calls_keep_their_names_texts_and_signatures() -> None:
    assert inspect.iscoroutinefunction(Client.complete_job)
    assert Client.complete_job.__name__ == "complete_job"
    assert list(inspect.signature(Client.complete_job).parameters)[:2] == ["self", "job_key"]
    assert "Raises:" in (Client.complete_job.__doc__ or "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"s": {1}}, '{"s":[1]}'),
        ({"b": b"ab"}, '{"b":"YWI="}'),
        ({1: "x"}, '{"1":"x"}'),
        ({"t": datetime(2030, 1, 31, 12)}, '{"t":"2030-01-31T12:00:00"}'),  # noqa: DTZ001
        ({"t": datetime(2030, 1, 31, 12, tzinfo=UTC)}, '{"t":"2030-01-31T12:00:00Z"}'),
    ],
)
def test_values_that_json_has_no_form_for_are_written_as_docs_sdk_says(value: Any, text: str) -> None:
    assert variables.encode(value) == text
