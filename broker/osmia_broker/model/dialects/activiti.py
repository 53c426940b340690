"""The `activiti:` dialect: attributes of Activiti and Alfresco (user-tasks.md sections 1, 3 and 4).

A text with `${…}` or `#{…}` in it is JUEL; any other stands for itself. A service task's job type is its `implementation`, which is
how Alfresco names a connector; the engine's built-in tasks and Java classes (`activiti:type`, `activiti:class` …) are refused.
"""

import re
from collections.abc import Callable

from osmia_broker.model import expressions
from osmia_broker.model.dates import is_date_or_duration
from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.faults import quote
from osmia_broker.model.graph import JobDefinition, UserTaskDefinition
from osmia_broker.model.source import Source
from osmia_broker.model.xml import ACTIVITI, local_name, name

DEFAULT_RETRIES = 3

USER_TASK = frozenset({"assignee", "candidateGroups", "candidateUsers", "category", "dueDate", "formKey", "priority"})
#: How Activiti's own engine cuts its transactions. Here every step is durable anyway.
HARMLESS = frozenset({"async", "asyncAfter", "asyncBefore", "exclusive"})

_PREFIX = f"{{{ACTIVITI}}}"
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")


def check(source: Source, supported: frozenset[str] = frozenset()) -> None:
    """Refuse every `activiti:` attribute and extension element but the *supported* attributes and the harmless ones."""
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
    """The job of a task whose `implementation` names a connector; None where it names none.

    The schema's own values (`##WebService`, `##unspecified`) are no names.
    """
    implementation = source.node.get("implementation", "").strip()
    if not implementation or implementation.startswith("##"):
        return None
    return JobDefinition(Static(implementation), Static(DEFAULT_RETRIES), {})


def user_task(source: Source) -> UserTaskDefinition:
    """What the `activiti:` attributes of a user task say."""
    return UserTaskDefinition(
        assignee=_value(source, "assignee"),
        candidate_groups=_list(source, "candidateGroups"),
        candidate_users=_list(source, "candidateUsers"),
        due_date=_value(source, "dueDate", _date),
        form_key=_value(source, "formKey"),
        priority=_value(source, "priority", _priority),
        category=_value(source, "category"),
        lenient=True,
    )


def condition(source: Source, text: str) -> Expression | None:
    """A sequence flow's JUEL condition."""
    return source.compiled(source.node, expressions.juel, text)


def _value(source: Source, attribute: str, static: Callable[[str], Expression] = Static) -> Expression | None:
    text = source.node.get(name(ACTIVITI, attribute), "")
    if not text.strip():
        return None
    if expressions.is_juel(text):
        return source.compiled(source.node, expressions.juel, text)
    try:
        return static(text)
    except ValueError as error:
        source.fault(f"{error} in 'activiti:{attribute}'")
        return None


def _list(source: Source, attribute: str) -> Expression | None:
    text = source.node.get(name(ACTIVITI, attribute), "")
    return source.compiled(source.node, expressions.list_of, text) if text.strip() else None


def _date(text: str) -> Static:
    if not is_date_or_duration(text):
        raise ValueError(
            f"Expected an ISO date, date-time or duration, e.g. '2030-01-31', '2030-01-31T10:00' or 'P3DT1H', but found '{quote(text)}'"
        )
    return Static(text)


def _priority(text: str) -> Static:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"Expected a whole number of at most nine digits, but found '{quote(text)}'")
    return Static(int(text))
