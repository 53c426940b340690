"""`osmia config`: every setting with its source, and the schema of the file."""

import json
import tomllib

from osmia_broker.cli.app import run
from osmia_broker.settings import config


def shown(capsys, *options):
    assert run(["config", "show", *options, "-o", "json"]) == 0
    return {row["name"]: (row["value"], row["source"]) for row in json.loads(capsys.readouterr().out)}


def test_every_setting_is_shown_with_its_source(capsys, tmp_path, monkeypatch):
    file = tmp_path / "osmia.toml"
    file.write_text('grpc_port = 1111\nhttp_port = 2222\nshutdown_grace = "5s"\n')
    monkeypatch.setenv("OSMIA_GRPC_PORT", "3333")
    found = shown(capsys, "--config", str(file))
    assert set(found) == set(config.NAMES)
    assert found["grpc_port"] == (3333, "OSMIA_GRPC_PORT")
    assert found["http_port"] == (2222, str(file))
    assert found["shutdown_grace"] == ("5s", str(file))
    assert found["management_port"] == (9600, "default")


def test_secrets_are_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("OSMIA_DATABASE_URL", "postgresql://ada:s3cret@db/osmia?password=s3cret")
    monkeypatch.setenv("OSMIA_AUTH", "oidc")
    for name, value in (("ISSUER", "https://id.example.org"), ("AUDIENCE", "osmia"), ("CLIENT_SECRET", "s3cret")):
        monkeypatch.setenv(f"OSMIA_OIDC_{name}", value)
    found = shown(capsys)
    assert found["database_url"] == ("postgresql://ada@db/osmia", "OSMIA_DATABASE_URL")
    assert found["oidc_client_secret"][0] == "(hidden)"


def test_a_secret_from_a_file_is_not_shown_and_its_source_is_the_name_of_the_file(capsys, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("postgresql://ada:s3cret@db/osmia")
    monkeypatch.setenv("OSMIA_DATABASE_URL_FILE", str(tmp_path / "secret"))
    assert shown(capsys)["database_url"] == ("postgresql://ada@db/osmia", "OSMIA_DATABASE_URL_FILE")


def test_sizes_and_durations_are_shown_as_they_are_typed(capsys, monkeypatch):
    monkeypatch.setenv("OSMIA_MAX_MESSAGE_SIZE", "2000000")
    found = shown(capsys)
    assert (found["memory_limit"][0], found["max_message_size"][0]) == ("24MiB", "2MB")


def test_a_wrong_setting_is_refused_as_by_the_broker(capsys, monkeypatch):
    monkeypatch.setenv("OSMIA_GRPC_PORT", "abc")
    assert run(["config", "show"]) == 2
    assert "try: OSMIA_GRPC_PORT=26500" in capsys.readouterr().err


def test_a_wrong_line_of_the_file_is_answered_with_a_right_one(capsys, tmp_path):
    file = tmp_path / "osmia.toml"
    file.write_text('task_policy = "everybody"\n')
    assert run(["config", "show", "--config", str(file)]) == 2
    hint = next(one for one in capsys.readouterr().err.splitlines() if "try: " in one).partition("try: ")[2]
    assert tomllib.loads(hint) == {"task_policy": "candidates"}


def test_the_schema_knows_every_setting_and_its_choices(capsys):
    assert run(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(config.GIVEN)
    assert schema["properties"]["memory_limit"]["default"] == "24MiB"
    assert schema["properties"]["task_policy"]["enum"] == ["open", "strict", "candidates", "assignee"]
    assert schema["properties"]["insecure"]["type"] == "boolean"
    assert schema["additionalProperties"] is False
