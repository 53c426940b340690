"""The worker in JavaScript of docs/workers-node.md, and that for Spring Boot of docs/workers-java.md, run as they are printed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import osmia
from tests.auth.conftest import ANNA, store
from tests.bpmn import bpmn
from tests.compat import builds
from tests.patience import ANSWER_MS, PROGRAM_S, until
from tests.running_broker import running_broker

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.timeout(builds.BUILD_S + PROGRAM_S)


def printed(page: str, language: str) -> list[str]:
    """What a page shows in *language*."""
    return [block.split("```", 1)[0] for block in DOCS.joinpath(page).read_text().split(f"```{language}\n")[1:]]


def test_the_worker_for_node_completes_a_job(tmp_path: Path):
    [script] = printed("workers-node.md", "js")
    _, program, _ = builds.node_program("@camunda8/sdk")
    packages = Path(program).parent / "node_modules"
    tmp_path.joinpath("worker.js").write_text(script)
    with running_broker(tmp_path / "data") as broker:
        broker.client.deploy(("pay.bpmn", bpmn("start > charge:job(type=charge-card) > end", id="pay")))
        environ = os.environ | {
            "NODE_PATH": str(packages),
            "OSMIA_GRPC": f"grpc://{broker.address}",
            "OSMIA_REST": f"http://127.0.0.1:{broker.broker.http_port}",
        }
        done = subprocess.run(
            ["node", "worker.js"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
        )
    assert "r-12" in done.stdout, done.stdout + done.stderr


SHOP = bpmn(
    "start > charge:job(type=charge-card, header.prefix=r-) > end"
    ' & refused:boundary(on=charge, error=too-much) > tell:script(expression="=amount", result=refused) > end2',
    id="pay",
)
STREAM = ("--camunda.client.prefer-rest-over-grpc=false", "--camunda.client.worker.defaults.stream-enabled=true")
PASSWORD = tuple(f"--camunda.client.auth.{one}" for one in ("method=basic", "username=anna", f"password={ANNA}"))


@contextmanager
def spring_shop(folder: Path, grpc: str, http_port: int, *properties: str) -> Iterator[None]:
    """Run the program for Spring Boot while in the block. Its settings are those of the page, but the addresses and *properties*."""
    [settings] = printed("workers-java.md", "yaml")
    folder.joinpath("application.yaml").write_text(settings)
    folder.joinpath("pay.bpmn").write_bytes(SHOP)
    folder.joinpath("Shop.java").write_text(printed("workers-java.md", "java")[1])
    addresses = (
        f"--camunda.client.grpc-address=http://{grpc}",
        f"--camunda.client.rest-address=http://127.0.0.1:{http_port}",
    )
    command = [*builds.spring_program(folder / "Shop.java"), *addresses, *properties]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        assert program.stdout is not None
        said = []
        try:
            for line in program.stdout:
                said.append(line)
                if " Started Shop in " in line:
                    break
            assert "Started Shop" in "".join(said[-1:]), "".join(said)
            yield
        finally:
            program.kill()


@pytest.mark.parametrize("properties", [PASSWORD, STREAM], ids=["rest", "stream"])
def test_the_workers_for_spring_boot_complete_throw_and_fail(tmp_path: Path, properties: tuple[str, ...]):
    is_closed = properties is PASSWORD
    store(tmp_path / "data" / "osmia.users.json", anna=(ANNA, ["family"]))
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(tmp_path / "data", auth="basic" if is_closed else "none"))
        sign_in = osmia.Password("anna", ANNA) if is_closed else None
        stack.enter_context(spring_shop(tmp_path, broker.address, broker.broker.http_port, *properties))
        client = stack.enter_context(osmia.SyncClient(broker.address, call_timeout_ms=ANSWER_MS, sign_in=sign_in))
        assert ended(client, 12) == {"amount": 12, "receipt": "r-12"}
        assert ended(client, 2_000) == {"amount": 2_000, "refused": 2_000}
        client.create_instance("pay", {"amount": -1})
        until(lambda: client.search_incidents().items)
        [incident] = client.search_incidents().items
    assert incident.error_type == "JOB_NO_RETRIES"
    assert "Expected an amount above 0, but found -1" in incident.message


def ended(client: osmia.SyncClient, amount: int) -> object:
    """Return the variables of a process instance that has ended."""
    return client.create_instance_with_result("pay", {"amount": amount}, wait_ms=ANSWER_MS).variables
