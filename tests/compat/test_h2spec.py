"""h2spec plays the rules of HTTP/2 and HPACK against our gRPC server: none may be broken."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.compat import builds
from tests.running_broker import running_broker

RULES = 145  # of this version
ANSWER_S = 60  # for one of them; all together take a second

pytestmark = pytest.mark.timeout(builds.BUILD_S + RULES)


def test_no_rule_of_http2_is_broken(tmp_path: Path):
    report = tmp_path / "report.xml"
    program = builds.h2spec()
    with running_broker(tmp_path / "data", grpc_server="python") as broker:
        host, _, port = broker.address.partition(":")
        command = [program, "-h", host, "-p", port, "-o", str(ANSWER_S), "-j", str(report)]
        subprocess.run(command, capture_output=True, check=False, timeout=builds.BUILD_S)
    cases = list(ET.parse(report).iter("testcase"))
    broken = [f"{case.get('package')}: {case.get('classname')}" for case in cases if len(case)]
    assert (len(cases), broken) == (RULES, [])
