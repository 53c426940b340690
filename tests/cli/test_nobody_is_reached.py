"""A command of a test that has lost its address reaches nobody: not the broker that whoever runs the tests has started."""

import os

from osmia_broker.cli.app import run


def test_a_command_without_an_address_finds_no_broker(capsys):
    assert os.environ["OSMIA_ADDRESS"] == "127.0.0.1:9"
    assert run(["process", "delete", "dinner", "--yes"]) == 3
    assert "No broker answers at 127.0.0.1:9." in capsys.readouterr().err
