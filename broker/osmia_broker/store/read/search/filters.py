"""Read a filter as people write it in JSON: fields with values or operators, and alternatives.

    {"state": "CREATED", "priority": {"$gte": 50}, "name": {"$like": "Decide*"}, "$or": [{"assignee": "ada"}, {"candidateGroup": "hr"}]}

All members must hold, and at least one alternative of `$or`. The result is a tree without values, which is the shape by which statements
are kept, and the values of its parameters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from osmia_broker.errors import InvalidArgument
from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.search import values
from osmia_broker.store.read.search.fields import Field, Kind
from osmia_broker.store.read.search.values import refuse, shown

CONDITIONS_MAX = 200  # of one filter; SQLite's expressions are at most 1,000 deep, and people write ten
SCOPE = "scope"  # the place of conditions that are not the caller's
ITEMS_MAX = 10_000  # of `$in`; as many as a page has

_EVERY = ("$eq", "$neq", "$exists", "$in", "$notIn")
_ORDERED = ("$gt", "$gte", "$lt", "$lte")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.KEY: _EVERY,
    Kind.TEXT: (*_EVERY, "$like"),
    Kind.INTEGER: (*_EVERY, *_ORDERED),
    Kind.DATE: (*_EVERY, *_ORDERED),
    Kind.FLAG: ("$eq", "$neq"),
    Kind.CHOICE: (*_EVERY, "$like"),
}
_NEGATIONS = {"$neq": "$eq", "$notIn": "$in"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A condition on one field. *operator* is a positive one; *negated* says that it must not hold."""

    field: str
    operator: str
    negated: bool
    parameter: str = ""
    names: frozenset[str] = frozenset()  #: of a choice, the names that pass
    inner: "tuple[Leaf, ...]" = ()  #: of a variable, the conditions on its value


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all must hold, or at least one."""

    needs_all: bool
    nodes: "tuple[Leaf | Group, ...]"


Node = Leaf | Group
NOTHING = Group(True, ())
_VALUE = Field("value", Kind.TEXT, schema.variables.c.value)  #: of a variable


@dataclass(slots=True)
class Parsed:
    """The shape of a filter, and the values of its parameters."""

    shape: Group = NOTHING
    parameters: dict[str, Any] = field(default_factory=dict)

    def add(self, value: Any) -> str:
        """Add the value of one more parameter and return its name."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return name


def parse(
    fields: Mapping[str, Field], asked: Any, place: str = "filter", *, scope: Mapping[str, Any] | None = None
) -> Parsed:
    """Read the filter *asked* over these fields. *scope* holds conditions that the caller of this function adds.

    Raises:
        InvalidArgument: a field is unknown, or a value is not of its kind.

    """
    parsed = Parsed()
    if asked is not None and not isinstance(asked, dict):
        raise refuse(place, "an object", asked)
    nodes = [*_members(parsed, fields, scope or {}, SCOPE), *_members(parsed, fields, asked or {}, place)]
    parsed.shape = Group(True, tuple(nodes))
    if _count(parsed.shape) > CONDITIONS_MAX:
        raise InvalidArgument(
            f"Expected {place} to have at most {CONDITIONS_MAX} conditions, but found {_count(parsed.shape)}"
        )
    return parsed


def _members(parsed: Parsed, fields: Mapping[str, Field], asked: Mapping[str, Any], place: str) -> list[Node]:
    """Read the members of a filter, of which `$or` holds alternatives."""
    members = dict(asked)
    alternatives = members.pop("$or", None)
    nodes = _conditions(parsed, fields, members, place)
    if alternatives is not None:
        nodes.append(_alternatives(parsed, fields, alternatives, f"{place}.$or"))
    return nodes


def _alternatives(parsed: Parsed, fields: Mapping[str, Field], asked: Any, place: str) -> Node:
    """Read the alternatives of `$or`."""
    if not isinstance(asked, list) or not asked:
        raise refuse(place, "a list of alternatives", asked)
    found = (_conditions(parsed, fields, one, f"{place}[{number}]") for number, one in enumerate(asked))
    return Group(False, tuple(Group(True, tuple(nodes)) for nodes in found))


def _conditions(parsed: Parsed, fields: Mapping[str, Field], asked: Any, place: str) -> list[Node]:
    if not isinstance(asked, dict):
        raise refuse(place, "an object", asked)
    nodes: list[Node] = []
    for name, value in asked.items():
        known = fields.get(name)
        if known is None or not (known.filters or place.startswith(SCOPE)):
            names = ", ".join(one for one, its in fields.items() if its.filters)
            raise InvalidArgument(f"Expected {place} to name fields among {names}, but found {shown(name)}")
        if value is not None:
            nodes += _of_field(parsed, known, value, f"{place}.{name}")
    return nodes


def _of_field(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    if known.kind is Kind.TAGS:
        return [Leaf(known.name, "$eq", False, parsed.add(tag)) for tag in _texts(value, place)]
    if known.kind is Kind.VARIABLES:
        return _variables(parsed, known, value, place)
    return _operations(parsed, known, value, place)


def _operations(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read a plain value, which means equality, or an object of operators."""
    if not isinstance(value, dict):
        return [_leaf(parsed, known, "$eq", value, place)]
    leaves = []
    for operator, operand in value.items():
        if operator not in OPERATORS[known.kind]:
            expected = ", ".join(OPERATORS[known.kind])
            raise InvalidArgument(f"Expected {place} to have operators among {expected}, but found {shown(operator)}")
        if operand is not None:
            leaves.append(_leaf(parsed, known, operator, operand, f"{place}.{operator}"))
    return leaves


def _leaf(parsed: Parsed, known: Field, operator: str, value: Any, place: str) -> Leaf:
    if operator == "$exists":
        return Leaf(known.name, "$exists", not values.flag(place, value))
    negated, operator = operator in _NEGATIONS, _NEGATIONS.get(operator, operator)
    if known.kind is Kind.CHOICE:
        return Leaf(known.name, "$in", negated, names=_names(known, operator, value, place))
    if known.kind is Kind.FLAG:
        return Leaf(known.name, "$eq", negated is values.flag(place, value))
    if operator == "$in":
        items = [values.read(known.kind, f"{place}[{number}]", one) for number, one in enumerate(_list(value, place))]
        return Leaf(known.name, "$in", negated, parsed.add(dialect.array(items)))
    if operator == "$like":
        return Leaf(known.name, "$like", negated, parsed.add(dialect.pattern(*_pieces(place, value))))
    return Leaf(known.name, operator, negated, parsed.add(values.read(known.kind, place, value)))


def _names(known: Field, operator: str, value: Any, place: str) -> frozenset[str]:
    """Return the names that pass. They are taken in any case, as the contract says."""
    assert known.choices is not None, "a choice has choices"
    by_name = {name.upper(): name for name in known.choices}
    if operator == "$like":
        pattern = re.compile("".join(_as_regex(piece) for piece in _pieces(place, value)), re.IGNORECASE | re.DOTALL)
        return frozenset(name for name in known.choices if pattern.fullmatch(name))
    items = _list(value, place) if operator == "$in" else [value]
    found = set()
    for one in items:
        if not isinstance(one, str) or one.upper() not in by_name:
            raise refuse(place, f"one of {', '.join(known.choices)}", one)
        found.add(by_name[one.upper()])
    return frozenset(found)


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise refuse(place, "a list", value)
    if len(value) > ITEMS_MAX:
        raise InvalidArgument(f"Expected {place} to have at most {ITEMS_MAX} items, but found {len(value)}")
    return value


def _texts(value: Any, place: str) -> list[str]:
    return [values.read(Kind.TEXT, f"{place}[{number}]", one) for number, one in enumerate(_list(value, place))]


_PIECE = re.compile(r"\\(?P<escaped>.)|(?P<any>\*)|(?P<one>\?)|(?P<plain>[^*?\\]+|\\)", re.DOTALL)


def _pieces(place: str, value: Any) -> list[Any]:
    """Cut a pattern: `*` stands for any characters, `?` for one, and a backslash takes the meaning of the next one away."""
    pattern = values.read(Kind.TEXT, place, value)
    marks = {"any": dialect.ANY, "one": dialect.ONE}
    return [marks.get(str(found.lastgroup), found[str(found.lastgroup)]) for found in _PIECE.finditer(pattern)]


def _as_regex(piece: Any) -> str:
    return {dialect.ANY: ".*", dialect.ONE: "."}.get(piece) or re.escape(piece)


def _variables(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read a list of variables, each with a name and conditions on its value, which is JSON text."""
    leaves = []
    for number, one in enumerate(_list(value, place)):
        inside = f"{place}[{number}]"
        if not isinstance(one, dict) or one.get("name") is None or one.get("value") is None:
            raise refuse(inside, "an object with name and value", one)
        name = parsed.add(values.read(Kind.TEXT, f"{inside}.name", one["name"]))
        conditions = _operations(parsed, _VALUE, one["value"], f"{inside}.value")
        leaves.append(Leaf(known.name, "$eq", False, name, inner=tuple(conditions)))
    return leaves


def _count(node: Node) -> int:
    return sum(map(_count, node.nodes)) if isinstance(node, Group) else 1 + len(node.inner)
