"""Requests made from the served OpenAPI document, right and wrong ones: no answer is a fault of the broker (schemathesis)."""

import subprocess
from pathlib import Path

import pytest

from tests.compat import builds
from tests.doors import running_broker

EXAMPLES = 5  # for each operation; about 25 s for all of them
RUN_S = 240

pytestmark = pytest.mark.timeout(builds.BUILD_S + RUN_S)


def test_no_request_that_the_document_describes_is_answered_with_a_defect(tmp_path: Path):
    program = builds.contract_program()
    with running_broker(tmp_path / "data") as broker:
        address = f"http://127.0.0.1:{broker.broker.http_port}/v2"
        done = subprocess.run(
            [*program, address, str(EXAMPLES)], capture_output=True, text=True, timeout=RUN_S, check=False
        )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "generated" in done.stdout
