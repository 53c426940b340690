"""The text of a query of task lists: its terms, how they are written, and the names that they may have.

A name that is no term is that of a variable, unless it is nearly a term (`near_miss`). `task_query` says what each term means.
"""

import re

import msgspec

from osmia_broker.base.edits import edits
from osmia_broker.base.errors import InvalidArgument

#: The names of the terms.
TERMS = (
    "assignee",
    "group",
    "user",
    "priority",
    "element",
    "state",
    "key",
    "instance",
    "business",
    "tag",
    "due",
    "followup",
    "created",
    "completed",
    "process",
    "is",
    "sort",
)
#: Names of the search filter that mean a term of a query, beside the names of the terms themselves.
OTHER_NAMES = {
    "candidategroup": "group",
    "candidateuser": "user",
    "creationdate": "created",
    "completiondate": "completed",
    "duedate": "due",
    "followupdate": "followup",
    "elementid": "element",
    "businessid": "business",
    "processinstancekey": "instance",
    "processdefinitionid": "process",
    "usertaskkey": "key",
}
SURE = frozenset((*TERMS, *OTHER_NAMES))  #: names that mean a term in another spelling, whatever the value is

_TERM = re.compile(r'(?:(?P<name>[\w.$-]+)(?P<mark>[:=]))?(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]+)', re.DOTALL)


class Term(msgspec.Struct, frozen=True):
    """A part of a query: `name:value`, `name=value`, or words (with an empty name)."""

    name: str
    mark: str
    value: str
    text: str  # as it was written


def quoted(value: str) -> str:
    """Write a value so that it is one term."""
    plain = value and not re.search(r'[\s"]', value)
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def terms_of(text: str) -> list[Term]:
    """Cut a query into its terms.

    Raises:
        InvalidArgument: a quote is not closed, or a term has no value.

    """
    found, place = [], 0
    while (place := place + len(text[place:]) - len(text[place:].lstrip())) < len(text):
        match = _TERM.match(text, place)
        if match is None:
            raise InvalidArgument(f"Expected every quote to be closed, but found {text[place : place + 40]}")
        value = match["value"]
        is_quote = text[match.end() : match.end() + 1] == '"'  # one that is not closed, which is the mistake then
        if value.endswith(":") and value[:-1] in TERMS and not (match["name"] or is_quote):
            raise InvalidArgument(f"Expected a value behind '{value}', but found none")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        found.append(Term((match["name"] or ""), match["mark"] or "", value, match[0]))
        place = match.end()
    return found


def near_miss(name: str) -> str:
    """Return the term that *name* is nearly; empty if it is none, or one itself.

    Case does not count. A short name may have a letter too many, too few or two in the wrong order; a longer one may also have a wrong
    letter, and a long one two mistakes. The first letter must be right, unless it is out of order.
    """
    if name in TERMS:
        return ""
    lower = name.lower()
    if lower in OTHER_NAMES:
        return OTHER_NAMES[lower]
    return min((one for one in TERMS if _is_near(lower, one)), key=lambda one: edits(lower, one), default="")


def _is_near(name: str, term: str) -> bool:
    if len(term) <= 3:  # so short that other words are as near
        return name in (term, f"{term}s") or (len(name) == len(term) > 2 and sorted(name) == sorted(term))
    if name[0] != term[0] and name[:2] != term[1::-1]:
        return False
    if abs(len(name) - len(term)) > 2:  # also a name of any length
        return False
    found = edits(name, term)
    if len(term) <= 5:
        return found == 0 or (found == 1 and (len(name) != len(term) or sorted(name) == sorted(term)))
    return found <= (2 if len(term) >= 8 else 1)
