"""Run the real program `osmia` for a test, without the settings of whoever runs the tests."""

import os
import random
import subprocess
import sys

from tests.patience import PROGRAM_S

# A process of root without the powers that let root ignore permissions; those of another user have none to lose.
POWERLESS = """
import ctypes, os, sys
for capability in (1, 2, 10):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, "-m", "osmia_broker", *sys.argv[1:]])
"""


def environ(**more):
    """The environment of this process without settings of Osmia, and with *more*."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OSMIA_", "ZEEBE_"))} | more


def port_base():
    """A base for the ports of a demo that no demo of another test process has, nor a program that asks the system for any port.

    A demo looks which ports are free before it starts its broker, so two demos with one base could both choose the same.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = 20_000 + int(worker) % 12 * 500
    return str(random.SystemRandom().randrange(first, first + 500, 10))


def osmia(*arguments, address="", stdin=subprocess.DEVNULL, powerless=False, **variables):
    """Run `osmia` to its end."""
    start = ["-c", POWERLESS] if powerless else ["-m", "osmia_broker"]
    command = [sys.executable, *start, *map(str, arguments), *(["--address", address] if address else [])]
    return subprocess.run(
        command, stdin=stdin, capture_output=True, text=True, env=environ(**variables), timeout=PROGRAM_S, check=False
    )
