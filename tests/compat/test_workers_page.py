"""The worker in JavaScript of docs/workers-node.md runs as it is printed."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.bpmn import bpmn
from tests.compat import builds
from tests.doors import running_broker
from tests.patience import PROGRAM_S

PAGE = Path(__file__).parents[2] / "docs" / "workers-node.md"

pytestmark = pytest.mark.timeout(builds.BUILD_S + PROGRAM_S)


def test_the_worker_for_node_completes_a_job(tmp_path: Path):
    script = PAGE.read_text().split("```js\n", 1)[1].split("```", 1)[0]
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
