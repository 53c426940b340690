"""An operator's mistake ends a real broker with a few lines that help, with its own exit code and without a traceback."""

from pathlib import Path

import pytest

from osmia_broker.running.child import ChildBroker
from tests.process.program import osmia, port_base

pytestmark = pytest.mark.process

FREE = ("--grpc-port", "0", "--http-port", "0", "--management-port", "0")
UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def refused(done, exit, what, why="", mend=""):
    """Check that *done* ended with nothing but an error in the house's form."""
    assert done.returncode == exit, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Error: ")
    assert what in lines[0]
    assert all(line.startswith(("  why: ", "  try: ")) for line in lines[1:])
    assert len(lines) <= 3
    assert why in done.stderr
    assert mend in done.stderr


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with ChildBroker(tmp_path_factory.mktemp("data") / "d1") as one:
        yield one


def test_a_second_broker_on_the_data_is_refused_and_the_first_one_is_named(broker):
    done = osmia("broker", "--data-dir", broker.data_dir, *FREE)
    refused(done, 5, f"Another broker (process {broker.pid}, ", mend="osmia broker --data-dir DIR")
    assert f"uses the data directory '{broker.data_dir}'." in done.stderr
    assert osmia("status", address=broker.address).returncode == 0


def test_a_demo_on_the_data_of_a_broker_is_refused_with_the_broker_s_own_words(broker):
    done = osmia("demo", "--keep", broker.data_dir)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Port ")]
    assert done.returncode == 5
    assert lines[0].startswith(f"Error: Another broker (process {broker.pid}, ")
    assert "Traceback" not in done.stderr


def a_file(tmp_path):
    (tmp_path / "d").write_text("no directory")
    return tmp_path / "d"


def below_a_file(tmp_path):
    return a_file(tmp_path) / "deeper"


def in_a_system_that_makes_no_directories(_):
    return Path("/proc/osmia")


@pytest.mark.parametrize(
    ("data_dir", "what"),
    [
        (a_file, "to be a directory, but found a file."),
        (below_a_file, "Expected to create the directory"),
        (in_a_system_that_makes_no_directories, "Expected to create the directory"),
    ],
)
@pytest.mark.parametrize("command", [("broker", "--data-dir"), ("demo", "--keep")])
def test_a_data_directory_that_is_none_is_refused(tmp_path, data_dir, what, command):
    done = osmia(*command, data_dir(tmp_path), *(FREE if command[0] == "broker" else ()))
    refused(done, 2, what, mend=f"osmia {' '.join(command)} DIR")


@pytest.mark.parametrize("command", [("broker", "--data-dir"), ("demo", "--keep")])
def test_a_data_directory_of_somebody_else_is_refused(tmp_path, command):
    (tmp_path / "d").mkdir(mode=0o500)
    done = osmia(*command, tmp_path / "d", *(FREE if command[0] == "broker" else ()), powerless=True)
    refused(done, 2, f"Expected to write in the directory '{tmp_path / 'd'}', but found: Permission denied.")


@pytest.mark.parametrize("content", [b"no database\n" * 500, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "partition-1.db").write_bytes(content)
    done = osmia("broker", "--data-dir", tmp_path, *FREE)
    refused(done, 1, f"The database in '{tmp_path}' cannot be used.", why="partition-1.db")


def test_a_database_that_may_not_be_written_is_refused(tmp_path):
    with ChildBroker(tmp_path):
        pass
    (tmp_path / "partition-1.db").chmod(0o400)
    done = osmia("broker", "--data-dir", tmp_path, *FREE, powerless=True)
    refused(done, 1, f"The database in '{tmp_path}' cannot be used.", why="readonly")


@pytest.mark.skipif(
    not UNPRIVILEGED.exists() or int(UNPRIVILEGED.read_text()) <= 80, reason="every user may listen on port 80 here"
)
def test_a_port_of_the_administrator_is_not_called_taken(tmp_path):
    done = osmia("broker", "--data-dir", tmp_path, "--grpc-port", "80", "--management-port", "0", powerless=True)
    refused(done, 2, "This user may not listen on port 80.", why="Permission denied", mend="--grpc-port 1024")


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--grpc-port", "4711", "--management-port", "4711"), "to differ, but found 4711 for both."),
        ((*FREE, "--host", "203.0.113.7", "--insecure"), "No door can listen at '203.0.113.7'."),
        ((*FREE, "--host", "no.such.host.invalid", "--insecure"), "No door can listen at 'no.such.host.invalid'."),
        ((*FREE, "--advertised-address", "foo"), "Expected --advertised-address to be HOST:PORT"),
        ((*FREE, "--advertised-address", "foo:bar"), "Expected --advertised-address to be HOST:PORT"),
        ((*FREE, "--memory-limit", "lots"), "Expected --memory-limit to be a whole number of bytes"),
        ((*FREE, "--shutdown-grace", "10"), "Expected --shutdown-grace to be a duration such as 10s, but found '10'."),
        ((*FREE, "--config", "/no/such/file"), "Expected to read settings from '/no/such/file'"),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path, flags, what):
    refused(osmia("broker", "--data-dir", tmp_path, *flags), 2, what)


@pytest.mark.parametrize("base", ["70000", "65534", "-5"])
def test_a_demo_has_no_ports_beyond_the_last(base):
    refused(osmia("demo", "--port-base", base), 2, "Expected --port-base to be", mend="osmia demo --help")


@pytest.mark.parametrize("key", ["9223372036854775808", "99999999999999999999999"])
def test_a_key_beyond_64_bits_is_refused(key):
    refused(osmia("task", "complete", key), 2, "Expected KEY to be")


# Beside services named `osmia` and `osmia-grpc`.
KUBERNETES = {
    "OSMIA_PORT": "tcp://10.0.0.1:26500",
    "OSMIA_SERVICE_HOST": "10.0.0.1",
    "OSMIA_SERVICE_PORT": "26500",
    "OSMIA_SERVICE_PORT_GRPC": "26500",
    "OSMIA_PORT_26500_TCP": "tcp://10.0.0.1:26500",
    "OSMIA_PORT_26500_TCP_ADDR": "10.0.0.1",
    "OSMIA_GRPC_SERVICE_HOST": "10.0.0.2",
    "OSMIA_GRPC_PORT": "tcp://10.0.0.2:26500",
}


def test_a_broker_starts_beside_services_of_its_name(tmp_path, monkeypatch):
    for name, value in {**KUBERNETES, "OSMIA_IMAGE": "osmia:1"}.items():
        monkeypatch.setenv(name, value)
    with ChildBroker(tmp_path) as broker:
        assert osmia("status", address=broker.address, **KUBERNETES).returncode == 0
    lines = [line for line in (tmp_path / "broker.log").read_text().splitlines() if "passed over" in line]
    assert len(lines) == 1
    assert "OSMIA_GRPC_PORT, OSMIA_IMAGE" in lines[0]


def test_a_demo_plays_beside_services_of_its_name():
    done = osmia("demo", "--port-base", port_base(), **KUBERNETES)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [("broker", *FREE), ("demo",)])
def test_a_misspelt_variable_is_refused_beside_them(tmp_path, command):
    done = osmia(
        *command, "--data-dir" if command[0] == "broker" else "--keep", tmp_path, **KUBERNETES, OSMIA_GRPC_PROT="1"
    )
    assert done.returncode == 2
    assert "Error: Expected a setting that Osmia knows, but found OSMIA_GRPC_PROT.\n" in done.stderr
    assert done.stderr.endswith('  try: export OSMIA_GRPC_PORT="$OSMIA_GRPC_PROT"; unset OSMIA_GRPC_PROT\n')


class Daemon(ChildBroker):
    """A broker whose caller has closed its three streams."""

    def _command(self):
        return ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "osmia", *super()._command()]


def test_a_broker_whose_caller_closed_its_streams_runs(tmp_path):
    with Daemon(tmp_path) as broker:
        assert osmia("status", address=broker.address).returncode == 0
        assert broker.stop() == 0


def test_a_model_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "p.bpmn").write_text("secret")
    (tmp_path / "p.bpmn").chmod(0)
    done = osmia("deploy", tmp_path / "p.bpmn", powerless=True)
    refused(done, 2, f"Expected to read '{tmp_path / 'p.bpmn'}', but found: Permission denied.")


def test_a_message_that_is_too_large_is_not_to_be_sent_again(broker, tmp_path):
    (tmp_path / "vars.json").write_text('{"a": "' + "x" * 5_000_000 + '"}')
    done = osmia("start", "p", "--vars", f"@{tmp_path / 'vars.json'}", address=broker.address)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "in a moment" not in done.stderr
