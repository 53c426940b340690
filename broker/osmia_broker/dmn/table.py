"""Evaluate decision tables: read the inputs, match the rules, combine the outputs by the hit policy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from osmia_broker import feel
from osmia_broker.dmn.column_index import ColumnIndex
from osmia_broker.dmn.hit_policy import HitPolicy
from osmia_broker.dmn.run import EvaluatedInput, EvaluatedOutput, MatchedRule, Run, Trace, Value


@dataclass(frozen=True, slots=True)
class Input:
    """A column of conditions. *name* is its label, or the text of its expression."""

    id: str
    name: str
    expression: feel.Expression


@dataclass(frozen=True, slots=True)
class Output:
    """A column of results.

    *name* is the entry of the result if there are several outputs; *label* is its name in an answer. *ranks* gives the
    place of each of the `outputValues`, best first, by `feel.equality_key`.
    """

    id: str
    name: str
    label: str
    default: feel.Expression | None = None
    ranks: Mapping[object, int] = field(default_factory=dict)

    def rank(self, value: Value) -> int:
        """Return the place of *value*; values that are not listed share the last."""
        return self.ranks.get(feel.equality_key(value), len(self.ranks))


@dataclass(frozen=True, slots=True)
class Rule:
    """A row. *tests* holds, by column, the cells that must be evaluated; all others are in the index of their column."""

    id: str
    tests: Mapping[int, feel.UnaryTests]
    outputs: tuple[feel.Expression, ...]


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """A decision table, ready to be evaluated; *columns* are the indexes of *inputs*, in the same order."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    rules: tuple[Rule, ...]
    columns: tuple[ColumnIndex, ...]
    hit_policy: HitPolicy

    type: ClassVar[str] = "DECISION_TABLE"

    def evaluate(self, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        """Return the result of the hit policy; without a match the default outputs, or null if there are none.

        One output gives its plain value, several give a context by their names. *trace* receives inputs and matches.
        """
        values = [self._read(column, scope, run, trace) for column in self.inputs]
        rows = [self._outputs(rule, scope, run, trace) for rule in self._matches(values, scope, run)]
        if not rows:
            return self._defaults(scope, run)
        if self.hit_policy.is_ranked:
            rows.sort(key=self._ranks)
        return self.hit_policy.combine([self._result(row) for row in rows])

    def _read(self, column: Input, scope: feel.Scope, run: Run, trace: Trace) -> Value:
        value = run.value(column.expression, scope)
        trace.inputs.append(EvaluatedInput(column.id, column.name, run.json(value)))
        return value

    def _matches(self, values: Sequence[Value], scope: feel.Scope, run: Run) -> Iterator[int]:
        """Yield the places of the rules that hold, from 0, in order."""
        candidates = (1 << len(self.rules)) - 1
        for column, value in zip(self.columns, values, strict=True):
            candidates &= column.candidates(value)
        for place in _members(candidates):
            tests = self.rules[place].tests
            if all(run.holds(test, scope, values[column]) for column, test in tests.items()):
                yield place
                if self.hit_policy.stops_early:
                    return

    def _outputs(self, place: int, scope: feel.Scope, run: Run, trace: Trace) -> list[Value]:
        rule = self.rules[place]
        row = [run.value(expression, scope) for expression in rule.outputs]
        evaluated = tuple(
            EvaluatedOutput(output.id, output.label, run.json(value))
            for output, value in zip(self.outputs, row, strict=True)
        )
        trace.matched.append(MatchedRule(rule.id, place + 1, evaluated))
        return row

    def _ranks(self, row: list[Value]) -> list[int]:
        return [output.rank(value) for output, value in zip(self.outputs, row, strict=True)]

    def _defaults(self, scope: feel.Scope, run: Run) -> Value:
        if all(output.default is None for output in self.outputs):
            return None
        return self._result(
            [None if output.default is None else run.value(output.default, scope) for output in self.outputs]
        )

    def _result(self, row: list[Value]) -> Value:
        if len(row) == 1:
            return row[0]
        return feel.Context(zip((output.name for output in self.outputs), row, strict=True))


def _members(rules: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while rules:
        lowest = rules & -rules
        yield lowest.bit_length() - 1
        rules ^= lowest
