"""What operators install fits the broker: settings that it knows, paths that answer, ports that it opens, and time enough to stop."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from osmia_broker import __version__
from osmia_broker.cli.failures import Exit
from osmia_broker.metrics import Metrics
from osmia_broker.running.management import ManagementServer
from osmia_broker.settings import config, sources
from osmia_broker.settings.config import Settings
from osmia_broker.settings.values import duration
from tests.patience import ANSWER_S, PROGRAM_S

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; `make setup` brings it")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/osmia"
PORTS = {26500, 8080, 9600}
SPARE_S = 5  # what a stop may take beyond the broker's own grace


def grace_s(settings: Settings) -> float:
    return settings.shutdown_grace.total_seconds()


def answers(path: str) -> bool:
    server = ManagementServer("127.0.0.1", 0, ready=lambda: (True, ""), metrics=Metrics())
    return server.answer("GET", path, "", b"").status == 200


# --- systemd


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "osmia.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_the_settings_of_the_unit_are_settings_of_the_broker():
    settings = sources.load({}, environ={}, file=DEPLOY / "osmia.toml")
    assert str(settings.data_dir) == f"/var/lib/{unit()['StateDirectory'][0]}"
    assert settings.unsafe_doors() == []


def test_the_settings_that_are_commented_out_are_settings_too(tmp_path: Path):
    text = (DEPLOY / "osmia.toml").read_text()
    examples = re.findall(r"^# (\w+ = .*)$", text, re.MULTILINE)
    assert len(examples) >= 4
    file = tmp_path / "osmia.toml"
    file.write_text("\n".join(examples))
    assert sources.load({}, environ={}, file=file).auth == "basic"


def test_the_unit_waits_longer_than_the_broker_takes_to_stop():
    settings = sources.load({}, environ={}, file=DEPLOY / "osmia.toml")
    assert int(unit()["TimeoutStopSec"][0]) >= grace_s(settings) + SPARE_S
    assert unit()["KillSignal"] == ["SIGTERM"]


def test_the_unit_does_not_restart_what_needs_a_person():
    assert unit()["RestartPreventExitStatus"] == [f"{Exit.USAGE} {Exit.CONFLICT}"]


def test_the_unit_calls_the_program_with_options_that_it_has():
    words = unit()["ExecStart"][0].split()
    assert words[1:] == ["broker", "--config", "/etc/osmia/osmia.toml"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_the_unit_right_and_well_protected(tmp_path: Path):
    installed = tmp_path / "osmia.service"
    text = (DEPLOY / "osmia.service").read_text()
    installed.write_text(text.replace("/opt/osmia/bin/osmia", sys.executable))
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(installed)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr  # an exposure of 2.0 of 10 at most
    assert "nknown" not in judged.stderr, judged.stderr


def test_the_broker_runs_without_memory_that_is_written_and_executed():
    program = (
        "import ctypes, sys\n"
        "if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"  # PR_SET_MDWE
        "import asyncio, grpc, lxml.etree, msgspec, re2, sqlalchemy, uvloop, jwt.algorithms, osmia_broker.running.broker\n"
        "import osmia_broker.http.server\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot deny such memory")
    assert done.returncode == 0, done.stderr


# --- containers


def containerfile() -> list[str]:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_opens_the_ports_of_the_broker_and_stops_by_sigterm():
    (ports,) = [line.split()[1:] for line in containerfile() if line.startswith("EXPOSE")]
    assert {int(port) for port in ports} == PORTS == {config.NAMES[f"{door}_port"].default for door in config.DOORS}
    assert "STOPSIGNAL SIGTERM" in containerfile()


def test_the_image_sets_variables_that_are_settings_and_refuses_to_be_open():
    words = [word for line in containerfile() if line.startswith("ENV") for word in line.split()[1:]]
    variables = {name: value for name, _, value in (word.partition("=") for word in words) if name.startswith("OSMIA_")}
    with pytest.raises(config.ConfigError, match="loopback"):
        sources.load({}, environ=variables)
    settings = sources.load({}, environ=variables | {"OSMIA_INSECURE": "true"})
    assert str(settings.data_dir) == "/var/lib/osmia"
    assert not sources.passed_over(variables)


def test_the_image_copies_what_the_build_needs():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"page", "broker", "client", "proto", "setup.py", "pyproject.toml", "README.md", "LICENSE"} & {*ignored}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_sets_what_the_broker_knows_and_opens_no_port_to_others():
    service = compose()["services"]["osmia"]
    sources.load({}, environ=service["environment"])
    assert not sources.passed_over(service["environment"])
    published = [port.split(":") for one in compose()["services"].values() for port in one["ports"]]
    assert all(host == "127.0.0.1" for host, *_ in published)
    assert {int(inside) for host, _, inside in (port.split(":") for port in service["ports"])} == PORTS


def test_the_compose_file_waits_longer_than_the_broker_takes_to_stop():
    service = compose()["services"]["osmia"]
    settings = sources.load({}, environ=service["environment"])
    assert duration(service["stop_grace_period"]).total_seconds() >= grace_s(settings) + SPARE_S


def test_the_compose_file_asks_a_path_that_answers():
    (url,) = re.findall(
        r"http://127\.0\.0\.1:9600(/\w+)", " ".join(compose()["services"]["osmia"]["healthcheck"]["test"])
    )
    assert url == "/ready"
    assert answers(url)


def test_the_files_that_the_compose_file_mounts_are_there():
    mounts = [mount for one in compose()["services"].values() for mount in one.get("volumes", ()) if mount[0] == "."]
    assert mounts
    for mount in mounts:
        assert (DEPLOY / mount.split(":")[0]).exists(), mount
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())
    assert scraped["scrape_configs"][0]["job_name"] == "osmia"  # what the alert rules ask for
    assert (DEPLOY / "prometheus" / scraped["rule_files"][0]).exists()


# --- Helm


def rendered(changes: dict[str, Any], release: str = "office") -> dict[str, str]:
    """The templates of the chart, rendered with its values and *changes*."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed; it renders the chart")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name, value in changes.items():
        values[name] = {**values[name], **value} if isinstance(value, dict) else value
    chart = {
        name[0].upper() + name[1:]: value for name, value in yaml.safe_load((CHART / "Chart.yaml").read_text()).items()
    }
    templates = {path.name: path.read_text() for path in (CHART / "templates").iterdir()}
    data = {"values": values, "release": release, "chart": chart, "templates": templates}
    return _rendered(json.dumps(data))


@cache
def _rendered(data: str) -> dict[str, str]:
    command = ["go", "run", str(Path(__file__).with_name("render.go"))]
    done = subprocess.run(command, input=data, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def objects(changes: dict[str, Any], release: str = "office") -> dict[str, dict[str, Any]]:
    files = rendered(changes, release)
    assert "error" not in files, files
    parsed = [yaml.safe_load(text) for name, text in files.items() if name.endswith(".yaml")]
    return {one["kind"]: one for one in parsed if one}


SAFE = {"tlsSecret": "osmia-tls", "settings": {"auth": "basic"}}


def test_the_chart_refuses_doors_that_are_open_to_the_cluster():
    for changes in ({}, {"tlsSecret": "osmia-tls"}, {"settings": {"auth": "basic"}}):
        assert "Expected tlsSecret and settings.auth, or insecure=true" in rendered(changes)["error"]


@pytest.mark.parametrize("changes", [{"insecure": True}, SAFE], ids=["insecure", "safe"])
def test_the_settings_of_the_chart_are_settings_of_the_broker(changes, tmp_path: Path):
    found = objects(changes)
    file = tmp_path / "osmia.toml"
    file.write_text(found["ConfigMap"]["data"]["osmia.toml"])
    settings = sources.load({}, environ={}, file=file)
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= grace_s(settings) + SPARE_S
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert str(settings.data_dir) in mounts
    assert "/etc/osmia" in mounts
    assert settings.tls_cert is None or str(settings.tls_cert.parent) in mounts
    assert set(mounts.values()) == {"data", *(volume["name"] for volume in pod["volumes"])}


@pytest.mark.parametrize(
    ("changes", "scheme"), [({"insecure": True}, "HTTP"), (SAFE, "HTTPS")], ids=["insecure", "safe"]
)
def test_the_probes_of_the_chart_ask_paths_that_answer(changes, scheme):
    container = objects(changes)["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert set(ports.values()) == PORTS
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert [probes[name]["path"] for name in probes] == ["/ready", "/ready", "/health"]
    for probe in probes.values():
        assert answers(probe["path"])
        assert ports[probe["port"]] == 9600
        assert probe["scheme"] == scheme


def test_the_service_leads_to_the_pod_and_is_scraped_as_the_alert_rules_expect():
    found = objects({"insecure": True, "serviceMonitor": {"enabled": True}})
    service, stateful = found["Service"], found["StatefulSet"]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]
    monitor = found["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert answers(endpoint["path"])
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "osmia"}]


def test_the_pod_has_no_rights_that_it_does_not_need():
    pod = objects({"insecure": True})["StatefulSet"]["spec"]["template"]["spec"]
    container = pod["containers"][0]["securityContext"]
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"--uid {pod['securityContext']['runAsUser']} " in (DEPLOY / "Containerfile").read_text()


@pytest.mark.parametrize(("release", "name"), [("office", "office-osmia"), ("osmia", "osmia"), ("x" * 53, "x" * 52)])
def test_a_release_names_its_objects(release, name):
    found = objects({"insecure": True}, release)
    assert found["StatefulSet"]["metadata"]["name"] == name
    assert len(found["Service"]["metadata"]["name"]) <= 63


SHARING = {
    **SAFE,
    "replicas": 3,
    "links": {"secret": "osmia-links", "insecure": True},
    "env": [{"name": "OSMIA_DATABASE_URL", "value": "postgresql://osmia@db/osmia"}],
}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({**SHARING, "links": {"secret": ""}}, "Expected links.secret, because replicas is more than 1"),
        (
            {**SHARING, "links": {"secret": "osmia-links"}},
            "Expected links.tlsSecret, or links.insecure=true, because links between pods",
        ),
        (
            {**SAFE, "links": {"tlsSecret": "osmia-links-tls"}},
            "Expected links.secret too, because links.tlsSecret is set",
        ),
    ],
)
def test_the_chart_refuses_brokers_that_could_not_share_or_whose_links_are_open(changes, refusal):
    assert refusal in rendered(changes)["error"]


def test_several_brokers_of_the_chart_share_a_database(tmp_path: Path):
    found = objects(SHARING)
    spec = found["StatefulSet"]["spec"]
    assert spec["replicas"] == 3
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    file, secret = tmp_path / "osmia.toml", tmp_path / "secret"
    file.write_text(found["ConfigMap"]["data"]["osmia.toml"])
    secret.write_text("16 bytes or more")
    values = {one["name"]: one.get("value", "10.1.2.3") for one in container["env"]}
    assert container["env"][2]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert str(Path(values["OSMIA_LINKS_SECRET_FILE"]).parent) in mounts
    assert set(mounts.values()) == {"data", *(volume["name"] for volume in pod["volumes"])}
    settings = sources.load({}, environ={**values, "OSMIA_LINKS_SECRET_FILE": str(secret)}, file=file)
    assert (settings.links_host, settings.links_port) == ("10.1.2.3", 26600)
    assert settings.unsafe_doors() == []


def test_links_of_the_chart_are_encrypted_if_the_values_say_so(tmp_path: Path):
    """The certificate names a pod as the others dial it, so each needs a name: that of a service without an address of its own."""
    changes = {**SHARING, "links": {"secret": "osmia-links", "tlsSecret": "osmia-links-tls"}}
    found = objects(changes)
    spec = found["StatefulSet"]["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts.values()) == {"data", *(volume["name"] for volume in pod["volumes"])}
    secret = next(one["secret"] for one in pod["volumes"] if one["name"] == mounts["/etc/osmia-links-tls"])
    assert secret == {"secretName": "osmia-links-tls"}
    values = {one["name"]: one.get("value", "10.1.2.3") for one in container["env"]}
    names = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    order = [one["name"] for one in container["env"]]
    for name, path in names.items():
        assert container["env"][order.index(name)]["valueFrom"] == {"fieldRef": {"fieldPath": path}}
        assert order.index(name) < order.index("OSMIA_LINKS_ADDRESS"), "only what stands before is put in"
    named = values["OSMIA_LINKS_ADDRESS"].replace("$(POD_NAME)", "office-osmia-0").replace("$(POD_NAMESPACE)", "work")
    service = yaml.safe_load(rendered(changes)["links.yaml"])
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert spec["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    file, secret_file = tmp_path / "osmia.toml", tmp_path / "secret"
    file.write_text(found["ConfigMap"]["data"]["osmia.toml"])
    secret_file.write_text("16 bytes or more")
    environ = {**values, "OSMIA_LINKS_SECRET_FILE": str(secret_file), "OSMIA_LINKS_ADDRESS": named}
    settings = sources.load({}, environ=environ, file=file)
    assert settings.links_address == f"office-osmia-0.{service['metadata']['name']}.work.svc:26600"
    assert not settings.insecure
    files = (settings.links_cert, settings.links_key, settings.links_ca)
    assert [str(one) for one in files] == [f"/etc/osmia-links-tls/{name}" for name in ("tls.crt", "tls.key", "ca.crt")]


def test_links_of_the_chart_have_no_service_unless_they_need_names():
    assert yaml.safe_load(rendered(SHARING)["links.yaml"]) is None


def test_the_chart_has_the_version_of_the_broker():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == __version__
