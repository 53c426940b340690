# ruff: noqa: ARG001  # all rules have one signature
"""Compile literals, names, paths, and the brackets that make lists, contexts and ranges."""

from osmia_broker.feel import syntax
from osmia_broker.feel.bindings import Local, input_value
from osmia_broker.feel.compiling.compiler import Compiler, Evaluator, Names, compiles
from osmia_broker.feel.errors import shorten
from osmia_broker.feel.paths import property_of
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal_text import read_temporal
from osmia_broker.feel.values import Context, Range, Value


@compiles(syntax.Boolean, syntax.NumberLiteral, syntax.StringLiteral)
def constant(
    compiler: Compiler, node: syntax.Boolean | syntax.NumberLiteral | syntax.StringLiteral, names: Names
) -> Evaluator:
    """Compile a literal."""
    value = node.value
    return lambda _run, _local: value


@compiles(syntax.Null)
def null(compiler: Compiler, node: syntax.Null, names: Names) -> Evaluator:
    """Compile `null`."""
    return lambda _run, _local: None


@compiles(syntax.Temporal)
def temporal(compiler: Compiler, node: syntax.Temporal, names: Names) -> Evaluator:
    """Compile `@"..."`."""
    value = read_temporal(node.text)

    def unread(run: Run, _local: Local | None) -> None:
        run.warn("INVALID_TYPE", "Failed to parse a date, a time or a duration from '{text}'", text=shorten(node.text))

    return unread if value is None else lambda _run, _local: value


@compiles(syntax.Name)
def name(compiler: Compiler, node: syntax.Name, names: Names) -> Evaluator:
    """Compile a variable."""
    name = node.name
    if name not in names.bound:
        compiler.read.add(name)
    if not names.may_bind(name):
        return lambda run, _: run.read(name)

    def read(run: Run, local: Local | None) -> Value:
        while local is not None:
            if name in local.names:
                return local.names[name]
            local = local.outer
        return run.read(name)

    return read


@compiles(syntax.Input)
def input(compiler: Compiler, node: syntax.Input, names: Names) -> Evaluator:
    """Compile `?`."""
    return input_value


@compiles(syntax.ListLiteral)
def list_literal(compiler: Compiler, node: syntax.ListLiteral, names: Names) -> Evaluator:
    """Compile `[a, b]`."""
    items = [compiler.compile(item, names) for item in node.items]
    return lambda run, local: [item(run, local) for item in items]


@compiles(syntax.ContextLiteral)
def context(compiler: Compiler, node: syntax.ContextLiteral, names: Names) -> Evaluator:
    """Compile `{a: 1, b: a}`; later entries see earlier ones."""
    entries = []
    for key, value in node.entries:
        entries.append((key, compiler.compile(value, names)))
        names = names.with_bound(key)

    def context(run: Run, local: Local | None) -> Value:
        made = Context()
        inner = Local(made, local)
        for key, value in entries:
            made[key] = value(run, inner)
        return made

    return context


@compiles(syntax.Interval)
def interval(compiler: Compiler, node: syntax.Interval, names: Names) -> Evaluator:
    """Compile `[a..b]` as a value."""
    start, end = compiler.compile(node.start, names), compiler.compile(node.end, names)
    with_start, with_end = node.start_included, node.end_included
    return lambda run, local: Range(start(run, local), with_start, end(run, local), with_end)


@compiles(syntax.Path)
def path(compiler: Compiler, node: syntax.Path, names: Names) -> Evaluator:
    """Compile `a.b.c`."""
    source, steps = compiler.compile(node.source, names), node.names

    def path(run: Run, local: Local | None) -> Value:
        value = source(run, local)
        for step in steps:
            value = value[step] if type(value) is dict and step in value else property_of(run, value, step)
        return value

    return path
