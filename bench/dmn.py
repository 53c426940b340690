"""Decision tables from 10 to 1,000 rules: what deploying and evaluating costs, with and without plain constants in the cells.

    python -m bench.dmn

The index of a column answers for plain constants; "as FEEL" writes the same cells as `? = ...`, which must be evaluated rule by
rule. CPU microseconds of one thread, best of five rounds.
"""

import time
from collections.abc import Callable
from xml.sax.saxutils import escape

from osmia_broker import dmn

ROUNDS = 5
VARIABLES = {"country": "C7", "product": "P3", "amount": 250}


def table(rules: int, cell: Callable[[str], str]) -> bytes:
    """A table over country, product and amount, of which one rule or a few match."""
    columns = "".join(f"<input><inputExpression><text>{name}</text></inputExpression></input>" for name in VARIABLES)
    rows = "".join(_rule(number, cell) for number in range(rules))
    logic = f'<decisionTable hitPolicy="COLLECT">{columns}<output name="rate"/>{rows}</decisionTable>'
    namespace = "https://www.omg.org/spec/DMN/20191111/MODEL/"
    return f'<definitions xmlns="{namespace}" id="g"><decision id="rate">{logic}</decision></definitions>'.encode()


def _rule(number: int, cell: Callable[[str], str]) -> str:
    cells = [cell(f'"C{number // 10}"'), cell(f'"P{number % 10}"'), "> 100"]
    entries = "".join(f"<inputEntry><text>{escape(text)}</text></inputEntry>" for text in cells)
    return f"<rule>{entries}<outputEntry><text>{number}</text></outputEntry></rule>"


def microseconds(work: Callable[[], object], times: int) -> float:
    """The CPU time of one call, best of five rounds of *times* calls."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, time.thread_time() - start)
    return best / times * 1e6


def main() -> None:
    """Print one line per size and kind of table."""
    print(f"{'rules':>6}  {'cells':<10}  {'parse':>12}  {'evaluate':>12}")
    for rules in (10, 100, 1000):
        for name, cell in (("constant", str), ("as FEEL", lambda constant: f"? = {constant}")):
            content = table(rules, cell)
            graph = dmn.parse("rate.dmn", content)
            parse = microseconds(lambda content=content: dmn.parse("rate.dmn", content), max(1, 200 // rules))
            evaluate = microseconds(lambda graph=graph: graph.evaluate("rate", VARIABLES), max(5, 20_000 // rules))
            print(f"{rules:>6}  {name:<10}  {parse:>9.0f} µs  {evaluate:>9.1f} µs")


if __name__ == "__main__":
    main()
