"""Requests made from the served OpenAPI documents, right and wrong ones: no answer is a fault of the broker (schemathesis)."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.compat import builds
from tests.patience import PROGRAM_S
from tests.running_broker import running_broker

EXAMPLES = 5  # for each operation; about 25 s for all of them

pytestmark = pytest.mark.timeout(builds.BUILD_S + PROGRAM_S)


# What is left out: the document itself, which the tool has read already, and the long poll for jobs.
@pytest.mark.parametrize(("base", "left_out"), [("/v2", 2), ("/osmia/v1", 1)])
def test_no_request_that_a_document_describes_is_answered_with_a_defect(tmp_path: Path, base: str, left_out: int):
    program = builds.contract_program()
    with running_broker(tmp_path / "data") as broker:
        address = f"http://127.0.0.1:{broker.broker.http_port}{base}"
        described = httpx.get(f"{address}/openapi.json").json()["paths"]
        done = subprocess.run(
            [*program, address, str(EXAMPLES)], capture_output=True, text=True, timeout=PROGRAM_S, check=False
        )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "generated" in done.stdout
    assert f"Tested: {sum(map(len, described.values())) - left_out}\n" in done.stdout, done.stdout[-4_000:]
