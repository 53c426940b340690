"""Turns a syntax tree into nested Python closures, once.

Each node becomes a function of the run and the innermost local binding. Names are resolved as far as possible here: one
that nothing inside the expression can bind is read straight from the scope. Only our own functions are ever called, so
nothing that an expression says can reach a Python object.

Straight code is bounded by the size of the text; whatever repeats (iterations, filters, user functions) spends steps.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import TypeAlias

import msgspec

from osmia_broker.feel import numbers, operators, syntax
from osmia_broker.feel.bindings import INPUT, Local, bound_function, element, input_value, without_parameters
from osmia_broker.feel.calls import Evaluator, call_builtin, invoke, unknown_call
from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.functions.registry import Builtin, choose
from osmia_broker.feel.paths import element_at, property_of
from osmia_broker.feel.run import Run
from osmia_broker.feel.syntax_search import mentions, reads_input
from osmia_broker.feel.temporal_text import read_temporal
from osmia_broker.feel.types import is_instance
from osmia_broker.feel.values import CONTEXTS, NUMBERS, Context, Function, Range, Value

Test: TypeAlias = Callable[[Run, Local | None, Value], "bool | None"]
Functions: TypeAlias = Mapping[str, tuple[Builtin, ...]]

VOLATILE = frozenset({"now", "today", "uuid", "random number"})


class Names(msgspec.Struct, frozen=True):
    """What is known about names at a place: *bound* for certain inside the expression; anything may be if *open*."""

    bound: frozenset[str] = frozenset()
    open: bool = False

    def with_bound(self, *names: str) -> "Names":
        """As here, and *names* bound."""
        return Names(self.bound.union(names), self.open)

    def may_bind(self, name: str) -> bool:
        """Whether *name* may be bound inside the expression."""
        return self.open or name in self.bound


class Compiler:
    """Compiles one tree; afterwards *read* holds the names it may read, and *volatile* whether its value may vary."""

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self.read: set[str] = set()
        self.volatile = False
        self.nodes = 0

    def compile(self, node: syntax.Node, names: Names) -> Evaluator:
        """The evaluator of *node* at a place where *names* are known."""
        self.nodes += 1
        return _COMPILE[type(node)](self, node, names)

    def weighed(self, node: syntax.Node, names: Names) -> tuple[Evaluator, int]:
        """The evaluator of *node* and how many nodes it has: what one repetition of it costs."""
        before = self.nodes
        evaluate = self.compile(node, names)
        return evaluate, self.nodes - before

    # --------------------------------------------------------------------------------------------------- values

    def constant(self, node: syntax.Boolean | syntax.NumberLiteral | syntax.StringLiteral, names: Names) -> Evaluator:
        """A literal."""
        value = node.value
        return lambda _run, _local: value

    def null(self, node: syntax.Null, names: Names) -> Evaluator:
        """`null`."""
        return lambda _run, _local: None

    def temporal(self, node: syntax.Temporal, names: Names) -> Evaluator:
        """`@"..."`."""
        value = read_temporal(node.text)
        return lambda _run, _local: value

    def name(self, node: syntax.Name, names: Names) -> Evaluator:
        """A variable."""
        name = node.name
        if name not in names.bound:
            self.read.add(name)
        if not names.may_bind(name):
            return lambda run, _: run.read(name)

        def read(run: Run, local: Local | None) -> Value:
            while local is not None:
                if name in local.names:
                    return local.names[name]
                local = local.outer
            return run.read(name)

        return read

    def input(self, node: syntax.Input, names: Names) -> Evaluator:
        """`?`."""
        return input_value

    def list_literal(self, node: syntax.ListLiteral, names: Names) -> Evaluator:
        """`[a, b]`."""
        items = [self.compile(item, names) for item in node.items]
        return lambda run, local: [item(run, local) for item in items]

    def context(self, node: syntax.ContextLiteral, names: Names) -> Evaluator:
        """`{a: 1, b: a}`; later entries see earlier ones."""
        entries = []
        for key, value in node.entries:
            entries.append((key, self.compile(value, names)))
            names = names.with_bound(key)

        def context(run: Run, local: Local | None) -> Value:
            made = Context()
            inner = Local(made, local)
            for key, value in entries:
                made[key] = value(run, inner)
            return made

        return context

    def interval(self, node: syntax.Interval, names: Names) -> Evaluator:
        """`[a..b]` as a value."""
        start, end = self.compile(node.start, names), self.compile(node.end, names)
        with_start, with_end = node.start_included, node.end_included
        return lambda run, local: Range(start(run, local), with_start, end(run, local), with_end)

    # ------------------------------------------------------------------------------------------------ operators

    def negation(self, node: syntax.Negation, names: Names) -> Evaluator:
        """`-x`."""
        operand = self.compile(node.operand, names)
        if isinstance(node.operand, syntax.NumberLiteral):
            value = numbers.negate(node.operand.value)
            return lambda _run, _local: value
        return lambda run, local: operators.negate(run, operand(run, local))

    def arithmetic(self, node: syntax.Arithmetic, names: Names) -> Evaluator:
        """A chain of operators of one precedence."""
        first = self.compile(node.first, names)
        rest = [(_ARITHMETIC[operator], self.compile(operand, names)) for operator, operand in node.rest]
        if len(rest) == 1:
            operate, operand = rest[0]
            return lambda run, local: operate(run, first(run, local), operand(run, local))

        def arithmetic(run: Run, local: Local | None) -> Value:
            value = first(run, local)
            for operate, operand in rest:
                value = operate(run, value, operand(run, local))
            return value

        return arithmetic

    def logic(self, node: syntax.Logic, names: Names) -> Evaluator:
        """`and`, `or`: everything but a boolean counts as null; the first that decides ends it."""
        operands = [self.compile(operand, names) for operand in node.operands]
        decisive = node.operator == "or"

        def logic(run: Run, local: Local | None) -> Value:
            unknown = False
            for operand in operands:
                value = operand(run, local)
                if value is decisive:
                    return decisive
                if value is not True and value is not False:
                    unknown = True
                    if value is not None:
                        run.warn("INVALID_TYPE", "Expected boolean but found '{}'", value)
            return None if unknown else not decisive

        return logic

    def comparison(self, node: syntax.Comparison, names: Names) -> Evaluator:
        """`=`, `<` and their kin; two ints take the short way."""
        left, right = self.compile(node.left, names), self.compile(node.right, names)
        compare, decide = operators.INTEGER_COMPARISONS[node.operator], operators.COMPARISONS[node.operator]

        def comparison(run: Run, local: Local | None) -> bool | None:
            one, other = left(run, local), right(run, local)
            if type(one) is int and type(other) is int:
                return compare(one, other)
            return decide(run, one, other)

        return comparison

    def between(self, node: syntax.Between, names: Names) -> Evaluator:
        """`x between a and b`."""
        operand, low, high = (self.compile(part, names) for part in (node.operand, node.low, node.high))
        return lambda run, local: operators.between(run, operand(run, local), low(run, local), high(run, local))

    def instance_of(self, node: syntax.InstanceOf, names: Names) -> Evaluator:
        """`x instance of type`."""
        operand, wanted = self.compile(node.operand, names), node.type
        return lambda run, local: is_instance(operand(run, local), wanted)

    def is_in(self, node: syntax.In, names: Names) -> Evaluator:
        """`x in test`."""
        operand = self.compile(node.operand, names)
        test = self.any_of(node.tests, names)
        return lambda run, local: test(run, local, operand(run, local))

    # -------------------------------------------------------------------------------------------------- access

    def path(self, node: syntax.Path, names: Names) -> Evaluator:
        """`a.b.c`."""
        source, steps = self.compile(node.source, names), node.names

        def path(run: Run, local: Local | None) -> Value:
            value = source(run, local)
            for step in steps:
                value = value[step] if type(value) is dict and step in value else property_of(run, value, step)
            return value

        return path

    def filter(self, node: syntax.Filter, names: Names) -> Evaluator:
        """`list[condition]`: an element if the condition is a number, else the elements for which it is true."""
        source = self.compile(node.source, names)
        condition, weight = self.weighed(node.condition, Names(names.bound | {"item"}, open=True))

        def filtered(run: Run, local: Local | None) -> Value:
            value = source(run, local)
            if type(value) is not list:
                run.warn("INVALID_TYPE", "Expected list but found '{}'", value)
                return None
            if not value:
                return None if type(condition(run, element(None, local))) in NUMBERS else []
            run.spend(weight * len(value))
            answer = condition(run, element(value[0], local))
            if type(answer) in NUMBERS:
                return element_at(run, value, answer)
            kept = [item for item in value[1:] if condition(run, element(item, local)) is True]
            return [value[0], *kept] if answer is True else kept

        return filtered

    # ---------------------------------------------------------------------------------------------- control flow

    def branch(self, node: syntax.If, names: Names) -> Evaluator:
        """`if`: only exactly true takes a branch."""
        branches = [(self.compile(condition, names), self.compile(then, names)) for condition, then in node.branches]
        otherwise = self.compile(node.otherwise, names)

        def branch(run: Run, local: Local | None) -> Value:
            for condition, then in branches:
                if condition(run, local) is True:
                    return then(run, local)
            return otherwise(run, local)

        return branch

    def iterators(self, node: syntax.For | syntax.Quantified, names: Names) -> "Callable[[Run, Local | None], _Rows]":
        """What to iterate over: the values of each iterator, all computed outside of the loop, or None."""
        sources = []
        for iterator in node.iterators:
            end = None if iterator.end is None else self.compile(iterator.end, names)
            sources.append((self.compile(iterator.source, names), end))

        def rows(run: Run, local: Local | None) -> _Rows:
            values = []
            for source, end in sources:
                value = source(run, local) if end is None else operators.steps(run, source(run, local), end(run, local))
                if type(value) is not list:
                    run.warn("INVALID_TYPE", "Expected list but found '{}'", value)
                    return None
                values.append(value)
            return values

        return rows

    def loop(self, node: syntax.For, names: Names) -> Evaluator:
        """`for`: the product of the iterators, the first moving slowest."""
        rows = self.iterators(node, names)
        keys = tuple(iterator.name for iterator in node.iterators)
        body, weight = self.weighed(node.body, names.with_bound("partial", *keys))
        with_partial = "partial" not in keys and mentions(node.body, "partial")

        def loop(run: Run, local: Local | None) -> Value:
            values = rows(run, local)
            if values is None:
                return None
            run.made_list(prod(map(len, values)))
            results: list[Value] = []
            for row in product(*values):
                run.spend(weight)
                bound: dict[str, Value] = dict(zip(keys, row, strict=True))
                if with_partial:
                    run.spend(len(results))
                    bound["partial"] = results.copy()
                results.append(body(run, Local(bound, local, callable=False)))
            return results

        return loop

    def quantified(self, node: syntax.Quantified, names: Names) -> Evaluator:
        """`some`, `every`: null if a condition is null and none decides."""
        rows = self.iterators(node, names)
        keys = tuple(iterator.name for iterator in node.iterators)
        condition, weight = self.weighed(node.condition, names.with_bound(*keys))
        decisive = node.quantifier == "some"

        def quantified(run: Run, local: Local | None) -> Value:
            values = rows(run, local)
            if values is None:
                return None
            unknown = False
            for row in product(*values):
                run.spend(weight)
                bound: dict[str, Value] = dict(zip(keys, row, strict=True))
                answer = condition(run, Local(bound, local, callable=False))
                if answer is decisive:
                    return decisive
                unknown = unknown or answer is not (not decisive)
            return None if unknown else not decisive

        return quantified

    # ------------------------------------------------------------------------------------------------ functions

    def function(self, node: syntax.FunctionLiteral, names: Names) -> Evaluator:
        """`function(a) body`; it sees what is bound around it, but for the parameters of an enclosing function."""
        parameters = node.parameters
        body, weight = self.weighed(node.body, names.with_bound(*parameters))

        def define(run: Run, local: Local | None) -> Function:
            outer = without_parameters(local)

            def call(*arguments: Value) -> Value:
                run.spend(weight + 1)
                bound: dict[str, Value] = dict(zip(parameters, arguments, strict=True))
                return body(run, Local(bound, outer, callable=False, parameters=True))

            return Function(parameters, call)

        return define

    def call(self, node: syntax.Call, names: Names) -> Evaluator:
        """A call by name: of a function bound inside the expression, else a built-in one, else one of the scope."""
        arguments = [self.compile(argument, names) for argument in node.arguments]
        if node.owner:
            return self.call_of_context(node, arguments, names)
        if node.name in VOLATILE:
            self.volatile = True
        general = self.builtin_call(node, arguments) or self.scope_call(node, arguments)
        if not names.may_bind(node.name):
            return general
        name = node.name

        def call(run: Run, local: Local | None) -> Value:
            function = bound_function(local, name)
            if function is None:
                return general(run, local)
            return invoke(run, function, node, [argument(run, local) for argument in arguments])

        return call

    def call_of_context(self, node: syntax.Call, arguments: Sequence[Evaluator], names: Names) -> Evaluator:
        """`a.b.f(x)`: fails if `a.b` is no context, gives null if that has no such function (measured)."""
        source: syntax.Node = syntax.Name(node.owner[0])
        owner = self.compile(syntax.Path(source, node.owner[1:]) if node.owner[1:] else source, names)
        name, unknown = node.name, unknown_call(node)

        def call(run: Run, local: Local | None) -> Value:
            context = owner(run, local)
            if type(context) not in CONTEXTS:
                raise EvaluationFailed(f"Expected a context to call '{name}' of, but found no context")
            function = context.get(name)
            if type(function) is not Function:
                return unknown(run, local)
            return invoke(run, function, node, [argument(run, local) for argument in arguments])

        return call

    def builtin_call(self, node: syntax.Call, arguments: Sequence[Evaluator]) -> Evaluator | None:
        """The call of a built-in function; None if none has this name."""
        candidates = self.functions.get(node.name)
        if candidates is None:
            return None
        chosen = choose(candidates, len(arguments), node.names)
        body = call_builtin(node, chosen, arguments) if chosen else unknown_call(node)
        name = node.name

        def call(run: Run, local: Local | None) -> Value:
            hidden = getattr(run.scope, "functions", None)
            if hidden is not None and name in hidden:
                return invoke(run, hidden[name], node, [argument(run, local) for argument in arguments])
            return body(run, local)

        return call

    def scope_call(self, node: syntax.Call, arguments: Sequence[Evaluator]) -> Evaluator:
        """The call of a function that only the scope can have."""
        self.read.add(node.name)
        name, unknown = node.name, unknown_call(node)

        def call(run: Run, local: Local | None) -> Value:
            function = run.function(name)
            if function is None:
                return unknown(run, local)
            return invoke(run, function, node, [argument(run, local) for argument in arguments])

        return call

    # ---------------------------------------------------------------------------------------------- unary tests

    def any_of(self, tests: tuple[syntax.Node, ...], names: Names) -> Test:
        """Whether one of the *tests* holds."""
        compiled = [self.test(test, names) for test in tests]
        if len(compiled) == 1:
            return compiled[0]

        def any_of(run: Run, local: Local | None, value: Value) -> bool | None:
            unknown = False
            for test in compiled:
                answer = test(run, local, value)
                if answer is True:
                    return True
                unknown = unknown or answer is None
            return None if unknown else False

        return any_of

    def test(self, node: syntax.Node, names: Names) -> Test:
        """Compile one test: a comparison, an interval, a literal, a condition over `?`, or any other expression."""
        if isinstance(node, syntax.CompareInput):
            operand, decide = self.compile(node.operand, names), operators.COMPARISONS[node.operator]
            return lambda run, local, value: decide(run, value, operand(run, local))
        evaluate = self.compile(node, names)
        if isinstance(node, syntax.Interval):
            return lambda run, local, value: operators.within(run, value, evaluate(run, local))
        if isinstance(node, syntax.Boolean):
            literal = node.value
            return lambda run, _local, value: operators.equal(run, value, literal)
        if reads_input(node):
            return lambda run, local, value: operators.holds(run, evaluate(run, Local({INPUT: value}, local)))
        return lambda run, local, value: operators.matches(run, value, evaluate(run, local))


_Rows: TypeAlias = "list[list[Value]] | None"

_COMPILE: dict[type[syntax.Node], Callable[..., Evaluator]] = {
    syntax.Null: Compiler.null,
    syntax.Boolean: Compiler.constant,
    syntax.NumberLiteral: Compiler.constant,
    syntax.StringLiteral: Compiler.constant,
    syntax.Temporal: Compiler.temporal,
    syntax.Name: Compiler.name,
    syntax.Input: Compiler.input,
    syntax.ListLiteral: Compiler.list_literal,
    syntax.ContextLiteral: Compiler.context,
    syntax.Interval: Compiler.interval,
    syntax.Negation: Compiler.negation,
    syntax.Arithmetic: Compiler.arithmetic,
    syntax.Logic: Compiler.logic,
    syntax.Comparison: Compiler.comparison,
    syntax.Between: Compiler.between,
    syntax.InstanceOf: Compiler.instance_of,
    syntax.In: Compiler.is_in,
    syntax.Path: Compiler.path,
    syntax.Filter: Compiler.filter,
    syntax.Call: Compiler.call,
    syntax.FunctionLiteral: Compiler.function,
    syntax.If: Compiler.branch,
    syntax.For: Compiler.loop,
    syntax.Quantified: Compiler.quantified,
}


_ARITHMETIC = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "**": operators.power,
}
