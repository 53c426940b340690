# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions over contexts; every result is a new context."""

from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import CONTEXTS, Context, Value


@builtin("get value(context: context, key: string)", "get value(m: context, key: string)")
def get_value(run: Run, context: Context, key: str) -> Value:
    """Return the entry under *key*, or null."""
    return context.get(key)


@builtin(
    "get value(context: context, keys: list)",
    "get value(context: context, key: list)",
    "get value(m: context, key: list)",
)
def get_value_at(run: Run, context: Context, keys: list[Value]) -> Value:
    """Return the entry at the end of the path *keys*, or null."""
    value: Value = context if keys else None
    for key in keys:
        value = value.get(key) if type(value) in CONTEXTS and type(key) is str else None
    return value


@builtin("get entries(context: context)", "get entries(m: context)")
def get_entries(run: Run, context: Context) -> list[Context]:
    """Return a context with `key` and `value` for each entry."""
    return [Context(key=key, value=value) for key, value in context.items()]


@builtin("context put(context: context, key: string, value: any)", "put(context: context, key: string, value: any)")
def context_put(run: Run, context: Context, key: str, value: Value) -> Context:
    """Return the context with the entry *key* added or replaced."""
    run.spend(len(context))
    return Context({**context, key: value})


@builtin("context put(context: context, key: list, value: any)", edition=Edition.NOT_STANDARD)
@builtin("context put(context: context, keys: list, value: any)", "put(context: context, key: list, value: any)")
def context_put_at(run: Run, context: Context, keys: list[Value], value: Value) -> Context | None:
    """Return the context with the entry at the end of the path *keys* set; missing contexts on the way are made."""
    if not keys or not all(type(key) is str for key in keys):
        return None
    result = Context(context)
    inner: dict[str, Value] = result
    for key in keys[:-1]:
        run.spend(len(inner))
        below: Value = inner.get(key)
        inner[key] = Context(below if type(below) in CONTEXTS else {})
        inner = inner[key]
    inner[keys[-1]] = value
    return result


@builtin("context put(context: context, keys: list, value: any)", edition=Edition.STANDARD)
def context_put_inside(run: Run, context: Context, keys: list[Value], value: Value) -> Context | None:
    """Return the context with the entry at the end of the path *keys* set; null if the path leads through another value."""
    inner: Value = context
    for key in keys[:-1]:
        inner = inner.get(key) if type(key) is str else None
        if inner is not None and type(inner) not in CONTEXTS:
            return None
        inner = inner or {}
    return context_put_at(run, context, keys, value)


@builtin("context merge(contexts: any...)", "put all(contexts: any...)")
def context_merge(run: Run, contexts: list[Value]) -> Context | None:
    """Return the entries of all contexts, later ones over earlier ones; nested contexts are not merged."""
    if not all(type(context) in CONTEXTS for context in contexts):
        return None
    run.spend(sum(map(len, contexts)))
    merged = Context()
    for context in contexts:
        merged.update(context)
    return merged


@builtin("context(entries: list)", edition=Edition.STANDARD)
def context_of_unique(run: Run, entries: list[Value]) -> Context | None:
    """Return the context of the entries; null if two have the same key (DMN 1.5, 10.3.4.10)."""
    made = context_of(run, entries)
    return made if made is not None and len(made) == len(entries) else None


@builtin("context(entries: list)")
def context_of(run: Run, entries: list[Value]) -> Context | None:
    """Return the context of the `key` and `value` of each entry; null if one lacks either or its key is no string."""
    made = Context()
    for entry in entries:
        if type(entry) not in CONTEXTS or type(entry.get("key")) is not str or "value" not in entry:
            return None
        made[entry["key"]] = entry["value"]
    return made
