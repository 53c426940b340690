"""A broker for the commands of these tests, and the program in this process."""

import io
import json
from collections.abc import Iterator

import pytest

from osmia_broker.cli.app import run
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("cli")) as broker:
        yield broker


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


class Osmia:
    """`osmia` at the broker: the exit code, and what it wrote to both streams."""

    def __init__(self, broker, capsys):
        self.broker = broker
        self.client = broker.client
        self._capsys = capsys

    def __call__(self, *words):
        self._capsys.readouterr()
        code = run([*map(str, words), "--address", self.broker.address])
        self.out, self.err = self._capsys.readouterr()
        return code

    def done(self, *words):
        """What a command that must succeed prints."""
        assert self(*words) == 0, self.err
        return self.out

    def json(self, *words):
        return json.loads(self.done(*words, "-o", "json"))

    def refused(self, code, *words):
        """The lines on stderr of a command that must end with *code*."""
        assert self(*words) == code, self.out + self.err
        return self.err

    def deploy(self, line, id):
        return self.client.deploy((f"{id}.bpmn", bpmn(line, id=id))).processes[0].key

    def create(self, id, variables=None):
        return self.client.create_instance(id, variables).key


@pytest.fixture
def osmia(running, capsys):
    return Osmia(running, capsys)


@pytest.fixture
def unique(request):
    """A process id and job type of this test's own."""
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
