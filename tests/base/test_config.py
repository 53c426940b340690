import re
from datetime import timedelta
from pathlib import Path

import pytest

from osmia_broker.base import surroundings
from osmia_broker.settings import config, sources
from osmia_broker.settings import values as setting_values
from osmia_broker.settings.config import ConfigError, Settings
from osmia_broker.settings.sources import load


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


def test_variables_of_others_change_nothing():
    environ = {"OSMIA_ADDRESS": "there:1", "OSMIA_CONFIG": "", "PATH": "/bin", "osmia_grpc_port": "1", "OSMIA": "1"}
    assert load({}, environ=environ) == Settings()
    assert sources.passed_over(environ) == []


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("OSMIA_GRPC_PROT", "OSMIA_GRPC_PORT"),
        ("OSMIA_GRCP_PORT", "OSMIA_GRPC_PORT"),
        ("OSMIA_GRPCPORT", "OSMIA_GRPC_PORT"),
        ("OSMIA_PORT_GRPC", "OSMIA_GRPC_PORT"),
        ("OSMIA_MANAGMENT_PORT", "OSMIA_MANAGEMENT_PORT"),
        ("OSMIA_DATADIR", "OSMIA_DATA_DIR"),
        ("OSMIA_HOTS", "OSMIA_HOST"),
        ("OSMIA_INSECUR", "OSMIA_INSECURE"),
        ("OSMIA_LOGLEVEL", "OSMIA_LOG_LEVEL"),
        ("OSMIA_MEMORY_LIMITS", "OSMIA_MEMORY_LIMIT"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_setting_that_is_meant(variable, meant):
    with pytest.raises(ConfigError, match=f"but found {variable}$") as refused:
        load({}, environ={variable: "1"})
    assert refused.value.hint == f'export {meant}="${variable}"; unset {variable}'


@pytest.mark.parametrize(
    "variable",
    [
        "OSMIA_HOME",
        "OSMIA_PORT",
        "OSMIA_VERSION",
        "OSMIA_IMAGE_TAG",
        "OSMIA_COLOUR",
        "OSMIA_",
        "OSMIA_X",
    ],
)
def test_a_variable_that_is_near_no_setting_is_passed_over_and_listed(variable):
    assert load({}, environ={variable: "1"}) == Settings()
    assert sources.passed_over({variable: "1"}) == [variable]


def service_links(service, port):
    """The variables that Kubernetes sets in every pod beside the service of that name."""
    return {
        f"{service}_SERVICE_HOST": "10.0.0.1",
        f"{service}_SERVICE_PORT": str(port),
        f"{service}_SERVICE_PORT_GRPC": str(port),
        f"{service}_PORT": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP_PROTO": "tcp",
        f"{service}_PORT_{port}_TCP_PORT": str(port),
        f"{service}_PORT_{port}_TCP_ADDR": "10.0.0.1",
        f"{service}_PORT_53_UDP_ADDR": "10.0.0.1",
    }


@pytest.mark.parametrize(
    "service", ["OSMIA", "OSMIA_GATEWAY", "OSMIA_GRPCS", "OSMIA_HTTPS", "OSMIA_DATA_DIR", "OSMIA_HOST"]
)
def test_links_to_a_service_in_the_same_namespace_are_passed_over_even_if_they_look_near(service):
    links = service_links(service, 26500)
    assert load({}, environ=links) == Settings()
    assert sources.passed_over(links) == []


@pytest.mark.parametrize("door", ["grpc", "http", "management"])
def test_a_link_under_the_name_of_a_setting_does_not_count_and_is_listed(door):
    links = service_links(f"OSMIA_{door.upper()}", 4711)
    assert load({}, environ=links) == Settings()
    assert sources.passed_over(links) == [f"OSMIA_{door.upper()}_PORT"]


def test_links_do_not_hide_a_misspelt_setting():
    with pytest.raises(ConfigError, match="OSMIA_GRPC_PROT"):
        load({}, environ={**service_links("OSMIA", 26500), "OSMIA_GRPC_PROT": "1"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("grcp_port", "grpc_port = VALUE"),
        ("GRPC_PORT", "grpc_port = VALUE"),
        ("colour", "osmia config schema   (it has all settings)"),
    ],
)
def test_an_unknown_name_in_the_file_is_always_refused(tmp_path, name, hint):
    file = tmp_path / "osmia.toml"
    file.write_text(f"{name} = 1\n")
    with pytest.raises(ConfigError, match=f"found {name} in") as refused:
        load({}, environ={}, file=file)
    assert refused.value.hint.startswith(hint)


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
        ("max_message_size", "1023"),
        ("memory_limit", "0"),
        ("memory_limit", "0 MiB"),
        ("memory_limit", "-1"),
        ("memory_limit", "-1 MiB"),
        ("memory_limit", "1.5 GiB"),
        ("memory_limit", 1.5),
        ("memory_limit", True),
        ("memory_limit", ""),
        ("memory_limit", "MiB"),
        ("memory_limit", "4 Mi"),
        ("memory_limit", "4 TiB"),
        ("memory_limit", "4 MiB 1"),
        ("memory_limit", "1025 GiB"),
        ("memory_limit", "9" * 18 + " GiB"),
        ("memory_limit", "9" * 400),
        ("queue_limit", 0),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("shutdown_grace", "10"),
        ("shutdown_grace", "P"),
        ("shutdown_grace", "PT"),
        ("shutdown_grace", "-1s"),
        ("shutdown_grace", "36501d"),
        ("shutdown_grace", "999999999d"),
        ("shutdown_grace", "P9999999999999999D"),
        ("data_dir", ""),
        ("data_dir", "a\x00b"),
        *(("gateway_version", value) for value in ("", "8.10", "8.10.0-alpha1", "v8.10.0", "8.10.0.1", 8)),
        *(
            ("advertised_address", value)
            for value in (
                *("there", "there:", "there:bar", ":26500", "26500", "there:0", "there:65536", "there:-1", "there:1:2"),
                *("tcp://there:1", "there :1", "::1:26500", "[::1]", "[there]:1", "there:123456", 26500),
            )
        ),
    ],
)
def test_a_value_against_its_rule_is_refused_by_its_spelling(name, value):
    with pytest.raises(ConfigError) as refused:
        load({name: value}, environ={})
    assert re.fullmatch(
        rf"Expected --{name.replace('_', '-')} to be .*, but found '{re.escape(str(value))}'", str(refused.value)
    )
    with pytest.raises(ConfigError, match=f"Expected {name} to be "):
        Settings(**{name: value})


def test_a_refusal_of_a_variable_names_the_variable():
    with pytest.raises(ConfigError, match="Expected OSMIA_GRPC_PORT to be a port"):
        load({}, environ={"OSMIA_GRPC_PORT": "x"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("500ms", 0.5), ("5m", 300), ("2h", 7200), ("30d", 2592000), ("PT1M30.5S", 90.5), ("P1DT2H", 93600)],
)
def test_a_duration_is_read_in_each_of_its_spellings(text, seconds):
    assert setting_values.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("text", "meant"), [("5", "5s"), ("0", "0s"), ("1.5", "1.5s"), ("5.", "5s")])
def test_a_number_without_a_unit_is_no_duration_and_the_refusal_shows_one_with_it(text, meant):
    with pytest.raises(ValueError, match=f"^a duration such as {re.escape(meant)}$"):
        setting_values.duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("4 MiB", 4194304), ("4MB", 4000000), (4194304, 4194304), ("1024", 1024), ("1kib", 1024)]
)
def test_sizes_of_messages(text, size):
    assert load({"max_message_size": text}, environ={}).max_message_size == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1, 1),
        ("1", 1),
        ("700 B", 700),
        ("3kB", 3_000),
        ("3 KiB", 3_072),
        ("2 MB", 2_000_000),
        (" 2MiB ", 2_097_152),
        ("1 GB", 1_000_000_000),
        ("1gib", 1_073_741_824),
        ("1024 GiB", 1024**4),
    ],
)
def test_sizes_of_memory(text, size):
    assert load({}, environ={"OSMIA_MEMORY_LIMIT": str(text)}).memory_limit == size
    assert Settings(memory_limit=text).memory_limit == size


def test_a_broker_keeps_24_mib_of_instances_by_default():
    assert Settings().memory_limit == 25_165_824


@pytest.mark.parametrize(("text", "is_on"), [("true", True), ("1", True), ("ON", True), ("no", False), (True, True)])
def test_a_switch_is_read_in_each_of_its_spellings(text, is_on):
    assert load({"insecure": text}, environ={}).insecure is is_on
    assert load({"unique_business_ids": text}, environ={}).unique_business_ids is is_on


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
@pytest.mark.parametrize("name", ["host", "grpc_host", "http_host", "management_host"])
def test_a_door_to_the_network_needs_the_word_insecure(name, host):
    with pytest.raises(ConfigError, match=f"but found '{host}'") as refused:
        load({name: host}, environ={})
    assert "--insecure" in refused.value.hint
    assert load({name: host, "insecure": True}, environ={})


TLS = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
OIDC = {"auth": "oidc", "oidc_issuer": "https://id.example.org", "oidc_audience": "osmia"}


@pytest.mark.parametrize("safe", [{"auth": "basic"}, {"tls_client_ca": "ca.pem"}, OIDC])
def test_a_door_to_the_network_is_open_with_tls_and_sign_in(safe):
    settings = load({"host": "0.0.0.0", **TLS, **safe}, environ={})
    assert settings.unsafe_doors() == []


@pytest.mark.parametrize(
    ("protection", "unsafe"),
    [
        (TLS, ["grpc", "http"]),
        ({"auth": "basic"}, ["grpc", "http", "management"]),
        ({}, ["grpc", "http", "management"]),
    ],
)
def test_tls_or_sign_in_alone_is_not_enough_for_the_network(protection, unsafe):
    with pytest.raises(ConfigError, match="but found '::', which other machines reach"):
        load({"host": "::", **protection}, environ={})
    assert load({"host": "::", "insecure": True, **protection}, environ={}).unsafe_doors() == unsafe


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"tls_cert": "cert.pem"}, "Expected tls_key too, because tls_cert is set"),
        ({"tls_key": "key.pem"}, "Expected tls_cert too, because tls_key is set"),
        ({"tls_client_ca": "ca.pem"}, "Expected tls_cert too, because tls_client_ca is set"),
        ({"users_file": "users.json"}, "Expected auth to be basic, because users_file is set, but found none"),
        ({"oidc_issuer": "https://id.example.org"}, "Expected auth to be oidc, because oidc_issuer is set"),
        ({"auth": "basic", "oidc_client_id": "page"}, "Expected auth to be oidc, because oidc_client_id is set"),
        ({"auth": "oidc", "oidc_audience": "osmia"}, "Expected oidc_issuer, because auth is oidc"),
        ({**OIDC, "oidc_audience": " "}, "Expected oidc_audience, because auth is oidc"),
        ({**OIDC, "oidc_issuer": "http://id.example.org"}, "Expected oidc_issuer to begin with https://"),
        ({**OIDC, "oidc_issuer": "id.example.org"}, "Expected oidc_issuer to begin with https://"),
        ({"auth": "Basic"}, "Expected --auth to be one of none, basic, oidc, but found 'Basic'"),
    ],
)
def test_half_a_protection_is_refused(settings, refusal):
    with pytest.raises(ConfigError, match=refusal):
        load(settings, environ={})


LINKS = {"database_url": "postgresql://ada@db/osmia", "links_secret": "16 bytes or more"}


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"links_host": "::1"}, "Expected links_secret too, because links_host is set, but found none"),
        ({"links_port": 26600}, "Expected links_secret too, because links_port is set"),
        ({"links_address": "a:1"}, "Expected links_secret too, because links_address is set"),
        ({"links_ca": "ca.pem"}, "Expected links_secret too, because links_ca is set"),
        ({"links_secret": "16 bytes or more"}, "Expected database_url too, because links_secret is set"),
        ({**LINKS, "links_secret": "15 bytes or less"[:15]}, "Expected links_secret to have at least 16 bytes"),
        ({**LINKS, "links_cert": "c.pem"}, "Expected links_key too, because links_cert is set"),
        ({**LINKS, "links_key": "k.pem", "links_ca": "a.pem"}, "Expected links_cert too, because links_key is set"),
        ({**LINKS, "links_host": "::"}, "Expected links_host to be a loopback address, but found '::'"),
        ({**LINKS, "clock_control": True}, "Expected no links_secret, because clock_control is set"),
        ({**LINKS, "purge_allowed": True}, "Expected no links_secret, because purge_allowed is set"),
        ({**LINKS, "links_port": 8080}, "Expected http_port and links_port to differ, but found 8080 for both"),
        (
            {**LINKS, "partitions": 2, "processes": 2, "links_port": 65535},
            "Expected ports up to 65535, but links_port of process 2 is 65536",
        ),
    ],
)
def test_links_that_would_not_work_or_not_be_safe_are_refused(settings, refusal):
    with pytest.raises(ConfigError, match=refusal) as refused:
        load(settings, environ={})
    assert "bytes or" not in str(refused.value)


def test_links_that_other_machines_reach_need_tls_or_a_word():
    tls = {"links_cert": "c.pem", "links_key": "k.pem", "links_ca": "a.pem"}
    for protection in (tls, {"insecure": True}):
        assert load({**LINKS, "links_host": "::", **protection}, environ={}).host_of("links") == "::"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "mysql://ada:s3cret@db/osmia",
            "ada:s3cret@db/osmia",
            "postgresql://ada:s3cret@db",
            "postgresql://ada:s3cret@db/",
        ),
        *("postgresql:///s3cret", "postgresql://ada:s3cret@/osmia", "s3cret", "postgresql:s3cret", "http://s3cret"),
    ],
)
def test_a_wrong_url_of_a_database_is_refused_without_showing_its_password(url):
    with pytest.raises(ConfigError, match="Expected --database-url to be postgresql://USER@HOST") as refused:
        load({"database_url": url}, environ={})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "postgresql://ada@db/osmia",
            "postgres://db/osmia",
            "postgresql://ada:s3cret@one,two:5433/osmia?sslmode=require",
        ),
        *("postgresql:///osmia?host=db", "postgresql://ada@[::1]:5432/osmia"),
    ],
)
def test_urls_of_a_database(url):
    assert load({"database_url": url}, environ={}).database_url == url


def test_every_secret_may_stand_in_a_file():
    secrets = {name for name, one in config.NAMES.items() if not one.repr}
    assert {f"{name}_file" for name in secrets} == set(config.FILES)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_files_of_other_systems_are_read(tmp_path, encoding):
    toml, secret = tmp_path / "other.toml", tmp_path / "secret"
    secret.write_text("postgresql://ada:s3cret@db/osmia\r\n", encoding)
    toml.write_text(f'queue_limit = 7\r\ndatabase_url_file = "{secret}"\r\n', encoding)
    settings = load({}, environ={}, file=toml)
    assert (settings.queue_limit, settings.database_url) == (7, "postgresql://ada:s3cret@db/osmia")


@pytest.mark.parametrize("spelling", ["flag", "variable", "file"])
def test_a_secret_is_read_from_its_file(tmp_path, spelling):
    secret, toml = tmp_path / "secret", tmp_path / "osmia.toml"
    secret.write_text("postgresql://ada:s3cret@db/osmia\n")
    toml.write_text(f'database_url_file = "{secret}"\n' if spelling == "file" else "")
    flags = {"database_url_file": str(secret)} if spelling == "flag" else {}
    environ = {"OSMIA_DATABASE_URL_FILE": str(secret)} if spelling == "variable" else {}
    assert load(flags, environ=environ, file=toml).database_url == "postgresql://ada:s3cret@db/osmia"
    source = {"flag": "--database-url-file", "variable": "OSMIA_DATABASE_URL_FILE", "file": str(toml)}[spelling]
    shown = {name: source for name, _, source in sources.explained(flags, environ=environ, file=toml)}
    assert shown["database_url"] == source
    assert sources.passed_over(environ) == []


def test_a_file_that_is_named_nowhere_counts_for_nothing():
    assert load({}, environ={"OSMIA_DATABASE_URL_FILE": ""}).database_url == ""


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (None, r"Expected OSMIA_DATABASE_URL_FILE to be a text file, but found '.*secret': No such file or directory$"),
        (
            b"\xff\xfa",
            r"Expected OSMIA_DATABASE_URL_FILE to be a text file, but found '.*secret': bytes that are no text in UTF-8$",
        ),
        (b"", r"Expected OSMIA_DATABASE_URL_FILE to be a file that holds database_url, but found '.*secret' empty$"),
        (b" \n", r"Expected OSMIA_DATABASE_URL_FILE to be a file that holds database_url, but found '.*secret' empty$"),
        (
            b"s3cret",
            r"Expected the text in '.*secret', which OSMIA_DATABASE_URL_FILE names, to be postgresql://USER@HOST",
        ),
    ],
)
def test_a_file_without_the_secret_is_refused_and_the_secret_is_not_printed(tmp_path, content, refusal):
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError, match=refusal) as refused:
        load({}, environ={"OSMIA_DATABASE_URL_FILE": str(secret)})
    assert "s3cret" not in str(refused.value)


def test_a_directory_in_place_of_the_file_is_refused(tmp_path):
    toml = tmp_path / "osmia.toml"
    toml.write_text(f'database_url_file = "{tmp_path}"\n')
    with pytest.raises(ConfigError, match=r"Expected database_url_file in .*osmia\.toml to be a text file, but found"):
        load({}, environ={}, file=toml)


@pytest.mark.parametrize("source", ["variables", "file", "flags"])
def test_a_secret_and_its_file_are_refused_in_one_source(tmp_path, source):
    secret, toml = tmp_path / "secret", tmp_path / "osmia.toml"
    secret.write_text("postgresql://b@db/osmia")
    given = {"database_url": "postgresql://a@db/osmia", "database_url_file": str(secret)}
    toml.write_text("".join(f'{name} = "{value}"\n' for name, value in given.items()) if source == "file" else "")
    flags = given if source == "flags" else {}
    environ = {f"OSMIA_{name.upper()}": value for name, value in given.items()} if source == "variables" else {}
    with pytest.raises(ConfigError, match=r"Expected database_url or database_url_file, but found both, in ") as both:
        load(flags, environ=environ, file=toml)
    first, second = {
        "variables": ("OSMIA_DATABASE_URL", "OSMIA_DATABASE_URL_FILE"),
        "file": (str(toml), str(toml)),
        "flags": ("--database-url", "--database-url-file"),
    }[source]
    assert str(both.value).endswith(f", in {first} and {second}")
    assert "postgresql://" not in str(both.value)


A, B, C = (f"postgresql://{name}@db/osmia" for name in "abc")


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "wins"),
    [
        ({"database_url": A}, {"OSMIA_DATABASE_URL_FILE": B}, {}, A),
        ({"database_url": ""}, {"OSMIA_DATABASE_URL_FILE": B}, {}, ""),
        ({"database_url": ""}, {"OSMIA_DATABASE_URL": B}, {}, ""),
        ({"database_url_file": A}, {"OSMIA_DATABASE_URL": B}, {}, A),
        ({}, {"OSMIA_DATABASE_URL": A}, {"database_url_file": B}, A),
        ({}, {"OSMIA_DATABASE_URL": ""}, {"database_url_file": B}, ""),
        ({}, {"OSMIA_DATABASE_URL_FILE": A}, {"database_url": B}, A),
        ({}, {"OSMIA_DATABASE_URL_FILE": ""}, {"database_url": B}, B),
        ({}, {"OSMIA_DATABASE_URL_FILE": A, "OSMIA_DATABASE_URL": ""}, {"database_url": B}, A),
        ({"database_url": A}, {"OSMIA_DATABASE_URL_FILE": B}, {"database_url_file": C}, A),
    ],
)
def test_a_file_with_a_secret_has_the_place_of_the_secret_in_the_order(tmp_path, flags, environ, toml, wins):
    def on_disk(given):
        found = {}
        for name, value in given.items():
            file = tmp_path / f"secret{value[13:14]}"
            if name.lower().endswith("_file") and value:
                file.write_text(value)
            found[name] = str(file) if name.lower().endswith("_file") and value else value
        return found

    file = tmp_path / "osmia.toml"
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in on_disk(toml).items()))
    assert load(on_disk(flags), environ=on_disk(environ), file=file).database_url == wins


def test_a_file_that_a_better_source_overrules_is_not_looked_at(tmp_path):
    flags, environ = {"database_url": A}, {"OSMIA_DATABASE_URL_FILE": str(tmp_path / "nothing")}
    assert load(flags, environ=environ).database_url == A


def test_a_misspelt_file_is_answered_with_the_right_name():
    with pytest.raises(ConfigError) as refused:
        load({}, environ={"OSMIA_DATABASE_URL_FILES": "x"})
    assert refused.value.hint == (
        'export OSMIA_DATABASE_URL_FILE="$OSMIA_DATABASE_URL_FILES"; unset OSMIA_DATABASE_URL_FILES'
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (24 * 1024**2, "24MiB"),
        (1024**3, "1GiB"),
        (10**9, "1GB"),
        (1536, "1536B"),
        (1500, "1500B"),
        (2048, "2KiB"),
        (5000, "5KB"),
        (1, "1B"),
    ],
)
def test_a_size_is_written_as_a_person_would(size, text):
    assert setting_values.size_text(size) == text
    assert setting_values.memory_size(text) == size


def test_a_secret_does_not_show():
    assert "s3cret" not in repr(load({**OIDC, "oidc_client_secret": "s3cret"}, environ={}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost"])
def test_a_door_to_this_machine_needs_nothing(host):
    assert load({"host": host}, environ={}).host_of("grpc") == host


def test_a_door_may_have_a_host_of_its_own():
    settings = load({"host": "127.0.0.1", "management_host": "127.0.0.2"}, environ={})
    assert (settings.host_of("grpc"), settings.host_of("management")) == ("127.0.0.1", "127.0.0.2")


@pytest.mark.parametrize(
    "settings",
    [
        {"grpc_port": 4711, "management_port": 4711},
        {"grpc_port": 9600},
        {"management_port": 26500, "management_host": "localhost"},
        {"management_port": 26500, "host": "0.0.0.0", "management_host": "127.0.0.1", "insecure": True},
        {"management_port": 26500, "grpc_host": "[::1]", "management_host": "::1"},
    ],
)
def test_two_doors_cannot_share_a_port(settings):
    with pytest.raises(ConfigError, match="Expected grpc_port and management_port to differ, but found") as refused:
        load(settings, environ={})
    assert refused.value.hint.startswith("--management-port ")


@pytest.mark.parametrize(
    "settings",
    [
        {"grpc_port": 0, "management_port": 0},
        {"management_port": 26500, "management_host": "127.0.0.2"},
        {"management_port": 8080, "management_host": "127.0.0.2"},
    ],
)
def test_doors_that_do_not_meet_may_have_one_number(settings):
    assert load(settings, environ={})


def test_a_refused_host_is_named_as_it_was_given():
    with pytest.raises(ConfigError, match=r"^Expected host to be"):
        load({"host": "0.0.0.0"}, environ={})
    with pytest.raises(ConfigError, match=r"^Expected management_host to be"):
        load({"management_host": "0.0.0.0"}, environ={})


@pytest.mark.parametrize(
    "address", ["there:1", "broker.example.org:65535", "10.0.0.1:26500", "[::1]:26500", "[fe80::1%eth0]:1"]
)
def test_addresses_that_may_be_advertised(address):
    assert Settings(advertised_address=address).advertised(4711) == address


def test_topology_names_the_real_port_by_default():
    assert Settings().advertised(4711) == "127.0.0.1:4711"
    assert Settings(advertised_address="there:1").advertised(4711) == "there:1"


def test_every_setting_has_a_text_for_its_help():
    assert all(config.about(name).endswith(".") for name in config.NAMES)


def test_the_home_directory_is_understood():
    assert load({"data_dir": "~/x"}, environ={}).data_dir == Path.home() / "x"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"TERM": "xterm"}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_are_shown_unless_the_environment_says_no(environ, wanted):
    assert surroundings.wants_color(environ) is wanted


@pytest.mark.parametrize(
    ("text", "kept"), [("90d", timedelta(days=90)), ("1m", timedelta(minutes=1)), ("", None), ("forever", None)]
)
def test_history_is_kept_for_a_time_or_for_ever(text, kept):
    assert load({}, environ={"OSMIA_HISTORY_RETENTION": text}).history_retention == kept
    assert load({}, environ={}).history_retention == timedelta(days=30)


def test_the_limits_are_those_of_the_documents_unless_they_are_set(tmp_path):
    settings = load({}, environ={})
    assert (settings.batch_limit, settings.step_limit, settings.expression_timeout) == (
        1000,
        10_000,
        timedelta(seconds=1),
    )
    file = tmp_path / "osmia.toml"
    file.write_text('batch_limit = 10\nexpression_timeout = "PT0.5S"\n')
    settings = load({"step_limit": "500"}, environ={"OSMIA_BATCH_LIMIT": "20"}, file=file)
    assert (settings.batch_limit, settings.step_limit) == (20, 500)
    assert settings.expression_timeout == timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        *[("OSMIA_BATCH_LIMIT", text, "a whole number from 1") for text in ("0", "-1", "many", "1.5")],
        *[("OSMIA_STEP_LIMIT", text, "a whole number from 1") for text in ("0", "", "1e3")],
        *[("OSMIA_EXPRESSION_TIMEOUT", text, "a duration from 1ms to 1m") for text in ("0s", "61s", "1h", "0.5ms")],
        ("OSMIA_EXPRESSION_TIMEOUT", "5", "a duration such as 5s"),
        ("OSMIA_HISTORY_RETENTION", "7", "a duration such as 7d"),
    ],
)
def test_limits_that_cannot_be_are_refused(variable, text, expected):
    with pytest.raises(ConfigError, match=f"^Expected {variable} to be {expected}"):
        load({}, environ={variable: text})


@pytest.mark.parametrize("text", ["59s", "0d", "30", "soon", "-1d"])
def test_history_is_not_kept_for_less_than_a_minute(text):
    with pytest.raises(ConfigError, match="OSMIA_HISTORY_RETENTION"):
        load({}, environ={"OSMIA_HISTORY_RETENTION": text})
