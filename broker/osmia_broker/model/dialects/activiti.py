"""The `activiti:` dialect: attributes of Activiti and Alfresco (user-tasks.md sections 1, 3 and 4).

A text with `${…}` or `#{…}` in it is JUEL; any other is a constant. The job type of a service task is its `implementation`, where
Alfresco names a connector; the engine's built-in tasks and Java classes (`activiti:type`, `activiti:class` …) are refused.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from osmia_broker.model import expressions
from osmia_broker.model.dates import full_date_time, read_period
from osmia_broker.model.expressions import Converted, Expression, Static
from osmia_broker.model.faults import quote
from osmia_broker.model.graph import CallDefinition, JobDefinition, UserTaskDefinition
from osmia_broker.model.source import Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, Node, local_name, name

DEFAULT_RETRIES = 3

USER_TASK = frozenset({"assignee", "candidateGroups", "candidateUsers", "category", "dueDate", "formKey", "priority"})
START_EVENT = frozenset(
    {"initiator", "formKey", "formFieldValidation"}
)  # the initiator is set with the tasks for people
#: These divide the transactions of Activiti's own engine. Here every step is durable anyway.
HARMLESS = frozenset({"async", "asyncAfter", "asyncBefore", "exclusive"})

_PREFIX = f"{{{ACTIVITI}}}"
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_INTEGERS = range(-(2**31), 2**31)  # a Java int, as Activiti keeps a priority
_AN_INTEGER = f"a whole number from {_INTEGERS[0]} to {_INTEGERS[-1]}"


def check(source: Source, supported: frozenset[str] = frozenset()) -> None:
    """Refuse every `activiti:` extension element, and every attribute that is neither *supported* nor harmless."""
    for attribute in source.node.attrib:
        local = str(attribute).removeprefix(_PREFIX)
        if local != attribute and local not in supported and local not in HARMLESS:
            source.fault(f"'activiti:{quote(local)}' is currently not supported")
    for tag, nodes in source.extensions.items():
        if tag.startswith(_PREFIX):
            source.fault(f"'activiti:{quote(local_name(nodes[0]))}' is currently not supported")


def has(source: Source, attributes: frozenset[str]) -> bool:
    """Whether the element carries one of these attributes."""
    return any(name(ACTIVITI, attribute) in source.node.attrib for attribute in attributes)


def job(source: Source) -> JobDefinition | None:
    """Read the job of a task from `implementation`, which names a connector; None if it names none.

    The values of the schema itself (`##WebService`, `##unspecified`) are no names.
    """
    implementation = trimmed(source.node.get("implementation", ""))
    if not implementation or implementation.startswith("##"):
        return None
    return JobDefinition(Static(implementation), Static(DEFAULT_RETRIES), {})


def user_task(source: Source) -> UserTaskDefinition:
    """Read the `activiti:` attributes of a user task."""
    return UserTaskDefinition(
        assignee=_value(source, "assignee", convert=_as_text),
        candidate_groups=_list(source, "candidateGroups"),
        candidate_users=_list(source, "candidateUsers"),
        due_date=_value(source, "dueDate", _date),
        form_key=_value(source, "formKey"),
        priority=_value(source, "priority", _priority, _as_integer),
        category=_value(source, "category"),
        lenient=True,
    )


def collection(source: Source, node: Node, text: str) -> Expression | None:
    """Compile the collection of a loop: an expression, or the name of a variable."""
    return source.compiled(node, expressions.juel, text if expressions.is_juel(text) else f"${{{text}}}")


def text_or_juel(source: Source, node: Node, text: str) -> Expression | None:
    """Compile a text that may be an expression."""
    return source.compiled(node, expressions.juel, text) if expressions.is_juel(text) else Static(text)


def call(source: Source) -> CallDefinition | None:
    """Read the `calledElement` of a call activity; None without."""
    text = trimmed(source.node.get("calledElement", ""))
    compiled = text_or_juel(source, source.node, text) if text else None
    return None if compiled is None else CallDefinition(compiled)


def condition(source: Source, text: str) -> Expression | None:
    """Compile the JUEL condition of a sequence flow."""
    return source.compiled(source.node, expressions.juel, text)


def _value(
    source: Source,
    attribute: str,
    static: Callable[[str], Expression] = Static,
    convert: Callable[[Any], Any] | None = None,
) -> Expression | None:
    text = trimmed(source.node.get(name(ACTIVITI, attribute), ""))
    if not text:
        return None
    if expressions.is_juel(text):
        compiled = source.compiled(source.node, expressions.juel, text)
        return compiled if compiled is None or convert is None else Converted(compiled, convert)
    try:
        return static(text)
    except ValueError as error:
        source.fault(f"{error} in 'activiti:{attribute}'")
        return None


def _list(source: Source, attribute: str) -> Expression | None:
    text = source.node.get(name(ACTIVITI, attribute), "")
    return source.compiled(source.node, expressions.list_of, text) if trimmed(text) else None


def _date(text: str) -> Static:
    if read_period(text) is None and full_date_time(text) is None:
        raise ValueError(
            f"Expected an ISO date, date-time or duration, e.g. '2030-01-31', '2030-01-31T10:00' or 'P3DT1H', but found '{quote(text)}'"
        )
    return Static(text)


def _priority(text: str) -> Static:
    if not _INTEGER.fullmatch(text) or int(text) not in _INTEGERS:
        raise ValueError(f"Expected {_AN_INTEGER}, but found '{quote(text)}'")
    return Static(int(text))


def _as_text(value: Any) -> str | None:
    """Convert as Activiti does for an assignee: null stays, anything else becomes its text."""
    from osmia_broker import juel  # loaded with the first expression only, as in expressions.juel

    return None if value is None else juel.to_text(value)


def _as_integer(value: Any) -> int | None:
    """Convert as Activiti does for a priority: null stays, a text must be a whole number, a fraction is cut off."""
    if value is None:
        return None
    number = _whole(value)
    if number is None or number not in _INTEGERS:
        found = f"'{quote(value)}'" if isinstance(value, str) else quote(str(value))
        raise ValueError(f"{_AN_INTEGER}, but found {found}")
    return number


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return int(value) if is_number else None
