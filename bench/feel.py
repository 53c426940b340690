"""FEEL: what an expression costs to compile and to evaluate, beside feelin (npm) in the same run.

    python -m bench.feel [--no-feelin]

CPU microseconds of one thread, best of five rounds, for a result object built anew each time. Variables are FEEL values
in the first column and JSON text, parsed in each evaluation, in the second. feelin parses the text at every evaluation:
it offers nothing else. It is installed into a temporary directory, if node and npm are there.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from osmia_broker import feel
from osmia_broker.feel.expression import Expression

ROUNDS = 5
# What is measured, and the microseconds that the issue allows for an evaluation.
EXPRESSIONS = {
    "orderId": 1,
    "order.customer.id": 1,
    "x > 5": 1,
    "a + b * c - d / e + f * 2 - g + h * 3 - i + j": 10,
    'if x > 5 and country = "DE" then "near" else "far"': None,
    "sum(for i in items return i.price * i.qty)": None,
    'lines[sku = "b"].qty': None,
}
VARIABLES = {
    **dict(zip("abcdefghij", range(1, 11), strict=True)),
    "orderId": "o-1",
    "order": {"customer": {"id": "c-7"}},
    "x": 6,
    "country": "DE",
    "items": [{"price": 19.99, "qty": 3}, {"price": 5, "qty": 10}],
    "lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}],
}
COMPILE_US = 1000  # allowed for an ordinary expression
IMPORT_MS = 60

FEELIN = """
import { evaluate } from "feelin";
const { expressions, variables, rounds } = JSON.parse(process.argv[2]);
const found = {};
for (const text of expressions) {
  const times = 2000;
  let best = Infinity, last;
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < times; i++) last = evaluate(text, variables);
    const spent = process.cpuUsage(start);
    best = Math.min(best, (spent.user + spent.system) / times);
  }
  found[text] = [best, last];
}
console.log(JSON.stringify(found));
"""


def microseconds(work: Callable[[], object], times: int) -> float:
    """The CPU time of one call, best of five rounds of *times* calls."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, time.thread_time() - start)
    return best / times * 1e6


def import_milliseconds() -> float:
    """The CPU time of importing the package alone, best of five fresh interpreters."""
    code = "import time; t = time.process_time(); import osmia_broker.feel; print((time.process_time() - t) * 1e3)"
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True) for _ in range(ROUNDS)
    ]
    return min(float(run.stdout) for run in found)


def feelin() -> dict[str, list[float]]:
    """What feelin takes for each expression; empty if it cannot be had."""
    if "--no-feelin" in sys.argv or not (shutil.which("node") and shutil.which("npm")):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        install = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            folder,
            "feelin",
        ]
        script = Path(folder) / "measure.mjs"
        script.write_text(FEELIN)
        request = json.dumps({"expressions": list(EXPRESSIONS), "variables": VARIABLES, "rounds": ROUNDS})
        try:
            subprocess.run(
                install, check=True, capture_output=True, timeout=120, env={**os.environ, "NO_UPDATE_NOTIFIER": "1"}
            )
            run = subprocess.run(
                ["node", str(script), request], check=True, capture_output=True, text=True, timeout=120
            )
        except (subprocess.SubprocessError, OSError) as error:
            print(f"feelin is left out: {error}", file=sys.stderr)
            return {}
        return json.loads(run.stdout)


def main() -> int:
    """Print a line for each expression; exit code 1 if one is slower than allowed."""
    beside = feelin()
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in VARIABLES.items()}
    plain = {name: feel.from_json(bytes(text)) for name, text in raw.items()}
    slow = []
    print(f"{'µs CPU':50} {'values':>8} {'JSON':>8} {'compile':>8} {'feelin':>8}")
    for text, allowed in EXPRESSIONS.items():
        evaluate = feel.compile(text).evaluate
        values = microseconds(lambda evaluate=evaluate: evaluate(plain), 20_000)
        parsed = microseconds(lambda evaluate=evaluate: evaluate(raw), 20_000)
        compiled = microseconds(lambda text=text: Expression(text, feel.PROCESS_FUNCTIONS, feel.DEFAULT_LIMITS), 200)
        other = f"{beside[text][0]:8.1f}" if text in beside else f"{'-':>8}"
        print(f"{text:50} {values:8.2f} {parsed:8.2f} {compiled:8.0f} {other}")
        slow += [f"{text}: {values:.2f} µs"] if allowed is not None and values > allowed else []
        slow += [f"compiling {text}: {compiled:.0f} µs"] if compiled > COMPILE_US else []
    loaded = import_milliseconds()
    print(f"{'import of the package, ms CPU':50} {loaded:8.1f}")
    slow += [f"import: {loaded:.0f} ms"] if loaded > IMPORT_MS else []
    for line in slow:
        print("slower than allowed:", line)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
