"""Fetch the published clients at fixed versions, and build the programs of `clients/` with them, once a machine.

What is built lies in the user's cache folder, named by all that went into it. Nothing of it belongs to the repository.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"
GO_CLIENT = "github.com/camunda/zeebe/clients/go/v8@v8.4.0"
NODE_CLIENTS = {"zeebe-node": "8.3.2", "@camunda8/sdk": "8.8.13"}
JAVA_CLIENTS = {"zeebe-client-java": "8.6.0", "camunda-client-java": "8.9.0"}
BUILD_S = 600


def built(
    program: str, versions: str, *steps: list[str], needs: str, environment: dict[str, str] | None = None
) -> Path:
    """Return the folder in which *steps* have built *program* of `clients/`; skip the test where the runtime *needs* is missing."""
    if shutil.which(needs) is None:
        pytest.skip(f"needs '{needs}', which is not installed here")
    source = CLIENTS / program
    name = hashlib.sha256(source.read_bytes() + versions.encode() + repr(steps).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osmia-compat"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{source.stem}-{name}"
    with (cache / f"{folder.name}.lock").open("w") as lock:  # several test processes may ask for it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            shutil.copy(source, folder)
            for step in steps:
                _run(step, folder, {**os.environ, **(environment or {})})
            (folder / "built").touch()
    return folder


def _run(step: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        step, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if done.returncode:
        raise AssertionError(
            f"{' '.join(step)} ended with {done.returncode}:\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
        )


def go_program() -> list[str]:
    """Return the command that plays the scenarios with the Go client."""
    folder = _go()
    return [str(folder / "scenarios")]


def zbctl() -> str:
    """Return the path of zbctl."""
    return str(_go() / "zbctl")


def _go() -> Path:
    return built(
        "scenarios.go",
        GO_CLIENT,
        ["go", "mod", "init", "compat"],
        ["go", "get", GO_CLIENT, *(f"{GO_CLIENT.replace('@', f'/{part}@')}" for part in ("pkg/zbc", "cmd/zbctl"))],
        ["go", "build", "-o", "scenarios", "scenarios.go"],
        ["go", "build", "-o", "zbctl", GO_CLIENT.partition("@")[0] + "/cmd/zbctl"],
        needs="go",
        environment={
            "GOSUMDB": "off",
            "GOFLAGS": "-mod=mod",
        },  # the versions are fixed; a checksum server may be out of reach
    )


def node_program(package: str) -> list[str]:
    """Return the command that plays the scenarios with a Node client."""
    version = f"{package}@{NODE_CLIENTS[package]}"
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", version]
    folder = built("scenarios.mjs", version, ["npm", "init", "--yes"], install, needs="npm")
    return ["node", str(folder / "scenarios.mjs"), package]


def java_program(artifact: str) -> list[str]:
    """Return the command that plays the scenarios with a Java client."""
    version = JAVA_CLIENTS[artifact]
    is_new = artifact == "camunda-client-java"
    names = {
        "CLIENT_PACKAGE": "io.camunda.client" if is_new else "io.camunda.zeebe.client",
        "CLIENT_TYPE": "CamundaClient" if is_new else "ZeebeClient",
        "USE_PLAINTEXT ": "" if is_new else "usePlaintext().",
    }
    pom = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>compat</groupId>'
        "<artifactId>compat</artifactId><version>1</version><dependencies><dependency><groupId>io.camunda</groupId>"
        f"<artifactId>{artifact}</artifactId><version>{version}</version></dependency></dependencies></project>"
    )
    replaced = [argument for name, value in names.items() for argument in ("-e", f"s/{name}/{value}/g")]
    folder = built(
        "Scenarios.java",
        f"{artifact}@{version}",
        ["sh", "-c", f"printf '%s' '{pom}' > pom.xml"],
        ["mvn", "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath"],
        ["sed", "-i", *replaced, "Scenarios.java"],
        ["sh", "-c", 'javac -d . -cp "$(cat classpath)" Scenarios.java'],
        needs="mvn",
    )
    classpath = f"{folder}:{(folder / 'classpath').read_text().strip()}"
    return ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", classpath, "Scenarios"]
