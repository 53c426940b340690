"""The independent Go load generator: builds it, runs a load against a broker, and reads its result rows."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osmia_broker.running.child import ChildBroker

SOURCE = Path(__file__).parent.parent.parent / "shared" / "loadgen"


@dataclass
class Target:
    """A program under load."""

    name: str
    address: str
    pid: int
    data_dir: Path


@contextmanager
def built(source: Path) -> Iterator[tuple[Path, Path]]:
    """Build the generator; give its program, and an empty folder for the data of brokers."""
    if not source.exists() or shutil.which("go") is None:
        sys.exit(f"Expected the load generator's source at {source} and Go to build it, but found one of them missing")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(source, folder / "source")
        program = folder / "loadgen"
        subprocess.run(["go", "build", "-o", str(program), "."], cwd=folder / "source", check=True)
        yield program, folder


def load(program: Path, target: Target, arguments: list[str], seconds: float) -> list[dict[str, Any]]:
    """Run one scenario, and return its rows."""
    rows = target.data_dir.parent / f"{target.name}.jsonl"
    rows.unlink(missing_ok=True)
    command = [str(program), "--addr", target.address, "--pid", str(target.pid), "--data-dir", str(target.data_dir)]
    limits = ["--json", str(rows), "--seconds", str(seconds), "--limit", "500"]
    subprocess.run([*command, *limits, *arguments], check=False, stdout=subprocess.DEVNULL, timeout=600)
    return [json.loads(line) for line in rows.read_text().splitlines()]


def turn(
    program: Path, folder: Path, name: str, flags: list[str], arguments: list[str], seconds: float
) -> dict[str, Any]:
    """One fresh broker with these *flags*, one load; print and return its row."""
    broker = ChildBroker(folder / name, flags=flags)
    broker.start()
    try:
        target = Target(name, broker.address, broker.pid, folder / name)
        row = load(program, target, arguments, seconds)[-1]
        print(told(target, row), flush=True)
        return row
    finally:
        broker.stop()
        shutil.rmtree(folder / name)


def told(target: Target, row: dict[str, Any]) -> str:
    """One line about a row. A row without one of the usual latencies shows its first, with its name."""
    latency = row.get("latency") or {}
    name = next((one for one in ("lateness", "e2e", "create", "create to job", *latency) if one in latency), "")
    quick = latency.get(name) or {}
    extra = row.get("extra") or {}
    interesting = ("broker_cpu_ms_per_s", "disk_allocated_per_instance", "rss_growth_per_instance")
    more = "  ".join(f"{one}={extra[one]}" for one in interesting if one in extra)
    wrong = "" if row.get("verify", {}).get("ok", True) else "  CHECK FAILED"
    return (
        f"{row['scenario'] + ' ' + str(row.get('variant', '')):<44}{target.name:<7}{row.get('ops_per_s') or 0:>9.1f}/s"
        f"{row.get('broker_cpu_ms_per_op') or 0:>8.3f} ms CPU{quick.get('p50_ms', 0):>8.1f}{quick.get('p99_ms', 0):>8.1f} ms"
        f" {name if name not in ('e2e', 'create') else '':<13}{(row.get('rss_bytes') or 0) / 1e6:>7.0f} MB"
        f"  others {row.get('other_cores_busy', 0):+.2f}  {more}{wrong}"
    )
