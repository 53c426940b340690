"""Fetch the published clients at fixed versions, and build the programs of `clients/` with them, once a machine.

What is built lies in the user's cache folder, named by all that went into it. Nothing of it belongs to the repository.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

CLIENTS = Path(__file__).parent / "clients"
GO_CLIENT = "github.com/camunda/zeebe/clients/go/v8@v8.4.0"
H2SPEC = "github.com/summerwind/h2spec@v2.2.1+incompatible"
INTEROP = "google.golang.org/grpc@v1.71.0"
NODE_CLIENTS = {"zeebe-node": "8.3.2", "@camunda8/sdk": "8.8.13"}
RUST_CLIENT = "zeebe-rs@0.4.1"
JAVA_CLIENTS = {"zeebe-client-java": "8.6.0", "camunda-client-java": "8.9.0"}
SPRING = {
    "io.camunda:camunda-spring-boot-starter": "8.8.14",
    "org.springframework.boot:spring-boot-starter": "3.5.6",
}
CONTRACT_TOOL = "schemathesis==4.32.5"
PYTHON_REST_CLIENT = "camunda-orchestration-sdk==10.0.1"
NODE_REST_CLIENTS = {"@camunda8/orchestration-cluster-api": "8.8.4", "@camunda8/sdk": "8.8.13"}
TRIES = 3  # to fetch: a registry may fail once
BUILD_S = 600  # a step on a machine that has nothing of it yet; a build takes about 20 s where the packages have been fetched before
GO_ENVIRONMENT = {
    "GOSUMDB": "off",  # the versions are fixed; a checksum server may be out of reach
    "GOFLAGS": "-mod=mod",
}

Step = Sequence[str]


def built(program: str, versions: str, needs: str, fetch: Sequence[Step], build: Sequence[Step] = ()) -> Path:
    """Return the folder in which the steps *fetch* and *build* have made *program* of `clients/`.

    Skip the test if the runtime *needs* is missing, or if a step of *fetch* fails: a registry may be out of reach. In CI both are failures.
    """
    if shutil.which(needs) is None:
        _cannot_run(f"needs '{needs}', but it is not installed here")
    source = CLIENTS / program
    name = hashlib.sha256(source.read_bytes() + versions.encode() + repr((fetch, build)).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osmia-compat"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{source.stem}-{name}"
    with (cache / f"{folder.name}.lock").open("w") as lock:  # several test processes may ask for it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            shutil.copy(source, folder)
            for step in fetch:
                if failure := _failure(step, folder, TRIES):
                    _cannot_run(f"needs {versions}, but it could not be fetched: {failure}")
            for step in build:
                failure = _failure(step, folder)
                assert not failure, failure
            (folder / "built").touch()
    return folder


def _cannot_run(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _failure(step: Step, folder: Path, tries: int = 1) -> str:
    """Run *step* in *folder* until it succeeds, but no more than *tries* times; return the end of its output if it failed."""
    while (failure := _run(step, folder)) and tries > 1:
        tries -= 1
    return failure


def _run(step: Step, folder: Path) -> str:
    environment = {**os.environ, **GO_ENVIRONMENT}
    try:
        done = subprocess.run(
            step, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"'{' '.join(step)}' took longer than {BUILD_S} s"
    if done.returncode == 0:
        return ""
    return f"'{' '.join(step)}' ended with {done.returncode}: {(done.stdout + done.stderr)[-2_000:]}"


def go_program() -> list[str]:
    """Return the command that plays the scenarios with the Go client."""
    return [str(_go() / "scenarios")]


def zbctl() -> str:
    """Return the path of zbctl."""
    return str(_go() / "zbctl")


def _go() -> Path:
    module, _, version = GO_CLIENT.partition("@")
    parts = [f"{module}/{part}@{version}" for part in ("pkg/zbc", "cmd/zbctl")]
    return built(
        "scenarios.go",
        GO_CLIENT,
        needs="go",
        fetch=[["go", "mod", "init", "compat"], ["go", "get", GO_CLIENT, *parts]],
        build=[
            ["go", "build", "-o", "scenarios", "scenarios.go"],
            ["go", "build", "-o", "zbctl", f"{module}/cmd/zbctl"],
        ],
    )


def h2spec() -> str:
    """Return the path of h2spec, which plays the rules of HTTP/2 against a server."""
    module, _, version = H2SPEC.partition("@")
    fetch = [["go", "mod", "init", "compat"], ["go", "get", f"{module}/cmd/h2spec@{version}"]]
    build = [["go", "build", "-o", "h2spec", f"{module}/cmd/h2spec"]]
    return str(built("h2spec.go", H2SPEC, needs="go", fetch=fetch, build=build) / "h2spec")


def interop() -> str:
    """Return the path of grpc-go's interop client, which plays what every implementation of gRPC must be able to do."""
    module, _, version = INTEROP.partition("@")
    fetch = [["go", "mod", "init", "compat"], ["go", "get", f"{module}/interop/client@{version}"]]
    build = [["go", "build", "-o", "interop", f"{module}/interop/client"]]
    return str(built("interop.go", INTEROP, needs="go", fetch=fetch, build=build) / "interop")


def rust_program() -> list[str]:
    """Return the command that plays the scenarios with the Rust client.

    The client makes its code from its copy of the contract when it is built. The compiler for that is the one of the Python package grpcio-tools.
    """
    protoc = f"printf '#!/bin/sh\\nexec {sys.executable} -m grpc_tools.protoc \"$@\"\\n' > protoc && chmod +x protoc"
    folder = built(
        "scenarios.rs",
        RUST_CLIENT,
        needs="cargo",
        fetch=[
            ["cargo", "init", "--quiet", "--vcs", "none", "--name", "scenarios"],
            ["cargo", "add", "--quiet", RUST_CLIENT, "serde_json@1"],
            ["cargo", "add", "--quiet", "tokio@1", "--features", "macros,rt-multi-thread,sync,time"],
            ["cargo", "fetch", "--quiet"],
        ],
        build=[
            ["sh", "-c", protoc],
            ["sh", "-c", 'PROTOC="$PWD/protoc" CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet'],
        ],
    )
    return [str(folder / "target/debug/scenarios")]


def node_program(package: str) -> list[str]:
    """Return the command that plays the scenarios with a Node client."""
    version = f"{package}@{NODE_CLIENTS[package]}"
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", version]
    folder = built("scenarios.mjs", version, needs="npm", fetch=[["npm", "init", "--yes"], install])
    return ["node", str(folder / "scenarios.mjs"), package]


def python_rest_program() -> list[str]:
    """Return the command that plays the REST scenarios with the published Python client."""
    fetch = [[sys.executable, "-m", "venv", "env"], ["env/bin/pip", "install", "--quiet", PYTHON_REST_CLIENT]]
    folder = built("rest_scenarios.py", PYTHON_REST_CLIENT, needs=sys.executable, fetch=fetch)
    return [str(folder / "env/bin/python"), str(folder / "rest_scenarios.py")]


def contract_program() -> list[str]:
    """Return the command that asks every operation of a REST API."""
    fetch = [[sys.executable, "-m", "venv", "env"], ["env/bin/pip", "install", "--quiet", CONTRACT_TOOL]]
    folder = built("rest_contract.py", CONTRACT_TOOL, needs=sys.executable, fetch=fetch)
    return [str(folder / "env/bin/python"), str(folder / "rest_contract.py")]


def node_rest_program(package: str) -> list[str]:
    """Return the command that plays the REST scenarios with a Node client."""
    version = f"{package}@{NODE_REST_CLIENTS[package]}"
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", version]
    folder = built("rest_scenarios.mjs", version, needs="npm", fetch=[["npm", "init", "--yes"], install])
    return ["node", str(folder / "rest_scenarios.mjs"), package]


def java_program(artifact: str) -> list[str]:
    """Return the command that plays the scenarios with a Java client over gRPC."""
    is_new = artifact == "camunda-client-java"
    names = {
        "CLIENT_PACKAGE": "io.camunda.client" if is_new else "io.camunda.zeebe.client",
        "CLIENT_TYPE": "CamundaClient" if is_new else "ZeebeClient",
        "USE_PLAINTEXT ": "" if is_new else "usePlaintext().",
    }
    return _java("Scenarios", artifact, names)


def java_rest_program() -> list[str]:
    """Return the command that plays the REST scenarios with the Java client."""
    return _java("RestScenarios", "camunda-client-java", {})


def _java(program: str, artifact: str, names: Mapping[str, str]) -> list[str]:
    """Return the command that runs the class *program* with the client *artifact*. *names* are replaced in its source."""
    version = JAVA_CLIENTS[artifact]
    replaced = [argument for name, value in names.items() for argument in ("-e", f"s/{name}/{value}/g")]
    folder = built(
        f"{program}.java",
        f"{artifact}@{version}",
        needs="mvn",
        fetch=_jars({f"io.camunda:{artifact}": version}),
        build=[
            *([["sed", "-i", *replaced, f"{program}.java"]] if replaced else []),
            ["sh", "-c", f'javac -d . -cp "$(cat classpath)" {program}.java'],
        ],
    )
    classpath = f"{folder}:{(folder / 'classpath').read_text().strip()}"
    return ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", classpath, program]


def spring_program(source: Path) -> list[str]:
    """Return the command that runs *source*, a program with Camunda's starter for Spring Boot. Its resources come from the current folder."""
    folder = built(
        str(source),
        repr(SPRING),
        needs="mvn",
        fetch=_jars(SPRING),
        build=[["sh", "-c", f'javac -parameters -d . -cp "$(cat classpath)" {source.name}']],
    )
    return ["java", "-cp", f".:{folder}:{(folder / 'classpath').read_text().strip()}", f"shop.{source.stem}"]


def _jars(versions: Mapping[str, str]) -> list[Step]:
    """Return the steps that fetch packages of Maven and write their class path into the file `classpath`."""
    pom = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>compat</groupId>'
        "<artifactId>compat</artifactId><version>1</version><dependencies>"
    )
    for name, version in versions.items():
        group, artifact = name.split(":")
        pom += f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
    pom += "</dependencies></project>"
    return [
        ["sh", "-c", f"printf '%s' '{pom}' > pom.xml"],
        ["mvn", "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath"],
    ]
