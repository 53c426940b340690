from datetime import timedelta
from pathlib import Path

import pytest

from osmia_broker import config
from osmia_broker.config import ConfigError, Settings, load


def test_a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(tmp_path):
    file = tmp_path / "osmia.toml"
    file.write_text("grpc_port = 1\nhttp_port = 1\nmanagement_port = 1\n")
    settings = load({"grpc_port": 3}, environ={"OSMIA_GRPC_PORT": "2", "OSMIA_HTTP_PORT": "2"}, file=file)
    assert (settings.grpc_port, settings.http_port, settings.management_port) == (3, 2, 1)
    assert settings.queue_limit == 1000


def test_a_flag_that_was_not_given_changes_nothing():
    assert load({"grpc_port": None}, environ={}).grpc_port == 26500


def test_the_file_may_be_named_by_the_environment(tmp_path):
    file = tmp_path / "other.toml"
    file.write_text("queue_limit = 7\n")
    assert load({}, environ={"OSMIA_CONFIG": str(file)}).queue_limit == 7


def test_a_file_in_the_working_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "osmia.toml").write_text('host = "::1"\n')
    assert load({}, environ={}).host == "::1"


def test_what_clients_read_from_the_environment_is_no_mistake():
    assert load({}, environ={"OSMIA_ADDRESS": "there:1", "OSMIA_TOKEN": "x", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OSMIA_GRPC_PROT": "1"}, "did you mean OSMIA_GRPC_PORT?"),
        ({"OSMIA_COLOUR": "1"}, "the settings are OSMIA_ADVERTISED_ADDRESS, "),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(environ, expected):
    with pytest.raises(ConfigError, match=next(iter(environ))) as refused:
        load({}, environ=environ)
    assert refused.value.hint.startswith(expected)


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(tmp_path):
    file = tmp_path / "osmia.toml"
    file.write_text("grcp_port = 1\n")
    with pytest.raises(ConfigError, match="found grcp_port in") as refused:
        load({}, environ={}, file=file)
    assert refused.value.hint == "did you mean grpc_port?"


@pytest.mark.parametrize("text", ["grpc_port = ", "\x00", "[grpc_port", 'grpc_port = "a\n"'])
def test_a_file_that_is_no_toml_is_refused(tmp_path, text):
    file = tmp_path / "osmia.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="to be TOML"):
        load({}, environ={}, file=file)


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load({}, environ={}, file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grpc_port", "65536"),
        ("grpc_port", "-1"),
        ("grpc_port", "abc"),
        ("grpc_port", ""),
        ("grpc_port", True),
        ("grpc_port", 1.5),
        ("host", " "),
        ("host", 7),
        ("insecure", "maybe"),
        ("max_message_size", "1"),
        ("max_message_size", "300 MiB"),
        ("max_message_size", "4 apples"),
        ("queue_limit", 0),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("shutdown_grace", "10"),
        ("shutdown_grace", "P"),
        ("shutdown_grace", "PT"),
        ("shutdown_grace", "-1s"),
        ("data_dir", ""),
    ],
)
def test_a_value_against_its_rule_is_refused_by_its_spelling(name, value):
    with pytest.raises(ConfigError, match=f"Expected --{name.replace('_', '-')} to be .*, but found '{value}'"):
        load({name: value}, environ={})
    with pytest.raises(ConfigError, match=f"Expected {name} to be "):
        Settings(**{name: value})


def test_a_refusal_of_a_variable_names_the_variable():
    with pytest.raises(ConfigError, match="Expected OSMIA_GRPC_PORT to be a port"):
        load({}, environ={"OSMIA_GRPC_PORT": "x"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("500ms", 0.5), ("5m", 300), ("2h", 7200), ("30d", 2592000), ("PT1M30.5S", 90.5), ("P1DT2H", 93600)],
)
def test_durations(text, seconds):
    assert config.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "size"), [("4 MiB", 4194304), ("4MB", 4000000), (4194304, 4194304), ("1024", 1024), ("1kib", 1024)]
)
def test_sizes(text, size):
    assert load({"max_message_size": text}, environ={}).max_message_size == size


@pytest.mark.parametrize(("text", "is_on"), [("true", True), ("1", True), ("ON", True), ("no", False), (True, True)])
def test_switches(text, is_on):
    assert load({"insecure": text}, environ={}).insecure is is_on


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
@pytest.mark.parametrize("name", ["host", "grpc_host", "http_host", "management_host"])
def test_a_door_to_the_network_needs_the_word_insecure(name, host):
    with pytest.raises(ConfigError, match=f"but found '{host}'") as refused:
        load({name: host}, environ={})
    assert "--insecure" in refused.value.hint
    assert load({name: host, "insecure": True}, environ={})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost"])
def test_a_door_to_this_machine_needs_nothing(host):
    assert load({"host": host}, environ={}).host_of("grpc") == host


def test_a_door_may_have_a_host_of_its_own():
    settings = load({"host": "127.0.0.1", "management_host": "127.0.0.2"}, environ={})
    assert (settings.host_of("grpc"), settings.host_of("management")) == ("127.0.0.1", "127.0.0.2")


def test_topology_names_the_real_port_unless_told_otherwise():
    assert Settings().advertised(4711) == "127.0.0.1:4711"
    assert Settings(advertised_address="there:1").advertised(4711) == "there:1"


def test_every_setting_has_a_text_for_its_help():
    assert all(config.about(name).endswith(".") for name in config.NAMES)


def test_the_home_directory_is_understood():
    assert load({"data_dir": "~/x"}, environ={}).data_dir == Path.home() / "x"
