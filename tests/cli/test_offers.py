"""A shell completes keys, process ids and job types with what the broker has now, and stays quiet where there is no broker."""

from contextlib import suppress
from datetime import timedelta

import pytest

from osmia_broker.cli import offers
from osmia_broker.cli.app import run
from tests.patience import ANSWER_S


@pytest.fixture
def offered(running, capsys, monkeypatch):
    """What a shell offers for the last of some words."""

    monkeypatch.setattr(offers, "ANSWER", timedelta(seconds=ANSWER_S))
    monkeypatch.setattr(offers, "OFFERED_MAX", 1_000)  # other tests leave tasks, too

    def ask(words, address=running.address):
        monkeypatch.setenv("_OSMIA_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        monkeypatch.setenv("OSMIA_ADDRESS", address)
        capsys.readouterr()
        with suppress(SystemExit):  # Typer's way to end
            assert run([]) == 0
        streams = capsys.readouterr()
        assert not streams.err
        return streams.out.split()

    return ask


def test_start_offers_the_ids_of_deployed_processes(osmia, offered, unique):
    osmia.deploy("start > a:user > end", unique)
    assert unique in offered(f"osmia start {unique[:20]}")
    assert unique in offered(f"osmia tasks --process {unique[:20]}")


def test_a_key_is_offered_by_what_the_command_is_about(osmia, offered, unique):
    osmia.deploy(f"start > a:user > charge:job(type={unique}) > end", unique)
    instance = osmia.create(unique)
    task = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    assert offered(f"osmia task claim {task}") == [task]
    assert offered(f"osmia instance show {instance}") == [str(instance)]
    assert offered(f"osmia instance show {task}") == []
    assert offered(f"osmia job fail {instance}") == []


def test_the_types_of_open_jobs_are_offered(osmia, offered, unique):
    osmia.deploy(f"start > charge:job(type={unique}) > end", unique)
    osmia.create(unique)
    assert offered(f"osmia work {unique}") == [unique]
    assert offered(f"osmia jobs --type {unique}") == [unique]


def test_an_address_among_the_words_is_asked(running, osmia, offered, unique):
    osmia.deploy("start > a:user > end", unique)
    words = f"osmia start --address {running.address} {unique}"
    assert offered(words, address="127.0.0.1:1") == [unique]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no address"])
def test_without_a_broker_nothing_is_offered_and_nothing_is_said(offered, address):
    assert offered("osmia start ", address=address) == []
    assert offered("osmia task complete ", address=address) == []
