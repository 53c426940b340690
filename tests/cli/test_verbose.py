"""`-v` says which broker is called, `-vv` each call as well: on stderr, and never what a call carries."""

import json
import logging
import re

import pytest
from grpc import StatusCode

from osmia import BrokerFailed, SyncClient


@pytest.fixture(autouse=True)
def quiet_again():
    """A command leaves the log as it was."""
    yield
    log = logging.getLogger("osmia.calls")
    assert (log.handlers, log.level, log.propagate) == ([], logging.NOTSET, True)


def test_a_command_says_nothing_more_unless_it_is_asked(osmia):
    osmia.done("tasks", "-o", "key")
    assert "Calling" not in osmia.err


def test_one_v_names_the_broker(osmia):
    osmia.done("status", "-o", "key", "-v")
    assert re.fullmatch(rf"Calling {osmia.broker.address}, request [0-9a-f]{{8}}\n", osmia.err)


def test_a_failure_for_a_program_has_the_name_of_its_request(osmia):
    told = osmia.refused(4, "instance", "show", 5, "-o", "json", "-v").splitlines()
    request = told[0].rpartition(" ")[2]
    assert json.loads(told[1])["error"]["requestId"] == request
    assert json.loads(osmia.refused(2, "instance", "show", "x", "-o", "json"))["error"]["requestId"] == ""


def test_a_fault_of_the_broker_says_where_there_is_more(osmia, monkeypatch):
    def fails(*_given, **_more):
        raise BrokerFailed(StatusCode.INTERNAL, "Expected Status to succeed, but found a defect: KeyError")

    monkeypatch.setattr(SyncClient, "status", fails)
    told = osmia.refused(70, "status", "-v").splitlines()
    request = told[0].rpartition(" ")[2]
    assert told[1:] == [
        f"Error: The broker at {osmia.broker.address} has a fault.",
        f"  The log of the broker has more about request {request}.",
        "  why: Expected Status to succeed, but found a defect: KeyError",
    ]


def test_two_name_each_call_with_its_outcome(osmia, unique):
    osmia.deploy("start > ask:user > end", unique)
    key = osmia.create(unique, {"secret": "xyzzy"})
    osmia.done("instance", "variables", key, "--var", "more=plugh", "-vv")
    assert "  SetVariables: OK after " in osmia.err
    assert "xyzzy" not in osmia.err
    assert "plugh" not in osmia.err
    osmia.refused(4, "instance", "show", 5, "--verbose", "--verbose")
    assert ": NOT_FOUND after " in osmia.err


def test_the_option_may_stand_before_the_command(osmia):
    assert osmia("-vv", "status") == 0
    assert "Topology: OK" in osmia.err
    assert "Topology" not in osmia.out


def test_a_token_is_named_and_not_shown(osmia):
    osmia("tasks", "-v", "--token", "very-secret")
    assert "signed in by --token" in osmia.err
    assert "very-secret" not in osmia.err
