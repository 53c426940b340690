"""Read a filter as people write it in JSON: fields with values or operators, and alternatives.

    {"state": "CREATED", "priority": {"$gte": 50}, "name": {"$like": "Decide*"}, "$or": [{"assignee": "ada"}, {"candidateGroup": "hr"}]}

All members must hold, and at least one alternative of `$or`. The result is a tree without values, which is the shape by which statements
are kept, and the values of its parameters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.json_text import spellings
from osmia_broker.state.storable import DOUBLE, is_double
from osmia_broker.store import schema
from osmia_broker.store.read.search import values
from osmia_broker.store.read.search.fields import Field, Kind
from osmia_broker.store.read.search.values import meant, refuse, shown
from osmia_broker.store.read.sql import dialect

CONDITIONS_MAX = 100  # of one filter; people write ten, and the statement of 100 takes 0.1 s
SCOPE = "the request"  # the place of conditions that are no members of the caller's filter; it has names of its own for them
WORDS_CHARACTERS_MAX = 2_000  # of `$contains`; SQLite takes patterns of 50,000
#: Items of `$in`: up to so many have statements of their own, of fields whose items are looked up one by one.
FEW_ITEMS = (1, 2, 4, 8, 16, 32)
ITEMS_MAX = 10_000  # of the lists of a filter together; as many as a page has
TAGS_MAX = 10  # an instance has no more, so a filter with more finds nothing
# Of all patterns of a filter. Four bytes each stay below SQLite's bound of 50,000 bytes.
PATTERN_CHARACTERS_MAX = 10_000
# Of all patterns over long values. SQLite tries them at each place and hears no interrupt meanwhile: 6 s for 2 MiB.
LONG_PATTERN_CHARACTERS_MAX = 1_000
LONG_WORDS_WEIGHT = 10  # a character of `$contains` takes as long as ten of `$like`

_EVERY = ("$eq", "$neq", "$exists", "$in", "$notIn")
_ORDERED = ("$gt", "$gte", "$lt", "$lte")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.KEY: _EVERY,
    Kind.TEXT: (*_EVERY, "$like", "$contains"),
    Kind.INTEGER: (*_EVERY, *_ORDERED),
    Kind.DATE: (*_EVERY, *_ORDERED),
    Kind.FLAG: ("$eq", "$neq"),
    Kind.CHOICE: (*_EVERY, "$like"),
    Kind.MEMBERS: ("$eq", "$neq", "$exists", "$in", *_ORDERED, "$like"),  # of each member
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
    #: of a variable, the conditions on its value; of a member, the alternatives for it
    inner: "tuple[Leaf, ...]" = ()
    items: int = 0  #: of `$in`, at least their number if they are looked up one by one; else 0


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all must hold, or at least one."""

    needs_all: bool
    nodes: "tuple[Leaf | Group, ...]"

    def leaf(self, field: str, *operators: str) -> Leaf | None:
        """Return a condition on *field* with one of *operators* that must hold; None if there is none, or if alternatives may hold instead."""
        for one in self.nodes if self.needs_all else ():
            if isinstance(one, Leaf) and one.field == field and one.operator in operators and not one.negated:
                return one
        return None


Node = Leaf | Group
NOTHING = Group(True, ())
_VALUE = Field("value", Kind.TEXT, schema.variables.c.value, long=True)  #: of a variable
NUMBER = "number"  #: the field of a leaf that compares the value of a variable or a member as a number
TEXT = "text"  #: the same for the text of a member


@dataclass(slots=True)
class Parsed:
    """The shape of a filter, and the values of its parameters."""

    shape: Group = NOTHING
    parameters: dict[str, Any] = field(default_factory=dict)
    conditions: int = 0
    pattern_characters: int = 0
    long_pattern_characters: int = 0  # those over long values, weighed
    items: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the filter has no condition, or an alternative without one: then it lets everything pass."""
        return not any(_narrows(node) for node in self.shape.nodes)

    def count(self, conditions: int, place: str) -> None:
        """Count more conditions, before any work is spent on them.

        Raises:
            InvalidArgument: there are too many.

        """
        self.conditions += conditions
        if self.conditions > CONDITIONS_MAX:
            raise InvalidArgument(
                f"Expected a filter to have at most {CONDITIONS_MAX} conditions, but found more in {place}"
            )

    def count_pattern(self, pattern: str, place: str, *, over_long: int = 0) -> None:
        """Count the characters of one more pattern; over long values each weighs *over_long*.

        Raises:
            InvalidArgument: the patterns of the filter are too long.

        """
        self.pattern_characters += len(pattern)
        if self.pattern_characters > PATTERN_CHARACTERS_MAX:
            raise InvalidArgument(
                f"Expected the patterns of a filter to have at most {PATTERN_CHARACTERS_MAX} characters together,"
                f" but found {self.pattern_characters} with {place}"
            )
        self.long_pattern_characters += len(pattern) * over_long
        if self.long_pattern_characters > LONG_PATTERN_CHARACTERS_MAX:
            raise InvalidArgument(
                f"Expected the patterns over values in a filter to have at most {LONG_PATTERN_CHARACTERS_MAX} characters together,"
                f" where one of $contains counts as {LONG_WORDS_WEIGHT}, but found {self.long_pattern_characters} with {place}"
            )

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
        InvalidArgument: a field is unknown, a value is not of its kind, or there are too many conditions.

    """
    parsed = Parsed()
    if asked is not None and not isinstance(asked, dict):
        raise refuse(place, "an object", asked)
    nodes = [*_members(parsed, fields, scope or {}, SCOPE), *_members(parsed, fields, asked or {}, place)]
    parsed.shape = Group(True, tuple(nodes))
    return parsed


def _members(parsed: Parsed, fields: Mapping[str, Field], asked: Mapping[str, Any], place: str) -> list[Node]:
    """Read the members of a filter, of which `$or` holds alternatives."""
    members = dict(asked)
    alternatives = members.pop("$or", None)
    nodes = _conditions(parsed, fields, members, place)
    if alternatives is not None and alternatives != []:  # the Java client always sends the list
        nodes.append(_alternatives(parsed, fields, alternatives, f"{place}.$or"))
    return nodes


def _narrows(node: Node) -> bool:
    """Whether *node* has a condition; each alternative needs one of its own."""
    if isinstance(node, Leaf):
        return True
    return (any if node.needs_all else all)(map(_narrows, node.nodes))


def _alternatives(parsed: Parsed, fields: Mapping[str, Field], asked: Any, place: str) -> Node:
    """Read the alternatives of `$or`."""
    if not isinstance(asked, list):
        raise refuse(place, "a list of alternatives", asked)
    if len(asked) > CONDITIONS_MAX:
        raise InvalidArgument(f"Expected {place} to have at most {CONDITIONS_MAX} alternatives, but found {len(asked)}")
    found = (_conditions(parsed, fields, one, f"{place}[{number}]") for number, one in enumerate(asked))
    return Group(False, tuple(Group(True, tuple(nodes)) for nodes in found))


def _conditions(parsed: Parsed, fields: Mapping[str, Field], asked: Any, place: str) -> list[Node]:
    if not isinstance(asked, dict):
        raise refuse(place, "an object", asked)
    nodes: list[Node] = []
    for name, value in asked.items():
        known = fields.get(name)
        if known is None or not (known.filters or place.startswith(SCOPE)):
            names = [one for one, its in fields.items() if its.filters]
            raise InvalidArgument(
                f"Expected {place} to name fields among {', '.join(names)}, but found {shown(name)}{meant(name, names)}"
            )
        if value is not None:
            nodes += _of_field(parsed, known, value, SCOPE if place == SCOPE else f"{place}.{name}")
    return nodes


def _of_field(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    if known.kind is Kind.TAGS:
        return _tags(parsed, known, value, place)
    if known.kind is Kind.VARIABLES:
        return _variables(parsed, known, value, place)
    if known.kind is Kind.MEMBERS:
        return _of_members(parsed, known, value, place)
    if known.several:
        listed = [(f"{place}[{number}]", one) for number, one in enumerate(_list(parsed, value, place))]
        return [leaf for inside, one in listed for leaf in _operations(parsed, known, one, inside)]
    return _operations(parsed, known, value, place)


def _operations(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read a plain value, which means equality, or an object of operators."""
    if not isinstance(value, dict):
        parsed.count(1, place)
        return [_leaf(parsed, known, "$eq", value, place)]
    leaves = []
    for operator, operand in _without_empty_lists(value).items():
        if operator not in OPERATORS[known.kind]:
            expected = ", ".join(OPERATORS[known.kind])
            raise InvalidArgument(f"Expected {place} to have operators among {expected}, but found {shown(operator)}")
        if operand is not None:
            parsed.count(1, place)
            leaves.append(_leaf(parsed, known, operator, operand, f"{place}.{operator}"))
    return leaves


def _without_empty_lists(operators: dict[str, Any]) -> dict[str, Any]:
    """Leave out the empty lists beside other operators: the Java client always sends `$in` and `$notIn`.

    An empty `$in` that stands alone passes nothing: a batch over an empty list of keys must not be one over everything.
    """
    said = {name: operand for name, operand in operators.items() if operand != [] or name not in ("$in", "$notIn")}
    return said or operators


def _leaf(parsed: Parsed, known: Field, operator: str, value: Any, place: str) -> Leaf:
    if operator == "$exists":
        return Leaf(known.name, "$exists", not values.flag(place, value))
    negated, operator = operator in _NEGATIONS, _NEGATIONS.get(operator, operator)
    if known.kind is Kind.CHOICE:
        return Leaf(known.name, "$in", negated, names=_names(parsed, known, operator, value, place))
    if known.kind is Kind.FLAG and known.choices is not None:
        return Leaf(known.name, "$in", negated, names=frozenset({str(values.flag(place, value))}))
    if known.kind is Kind.FLAG:
        return Leaf(known.name, "$eq", negated is values.flag(place, value))
    if known is _VALUE and operator not in ("$like", "$contains"):
        return _same_value(parsed, operator, value, place, negated=negated)
    if operator == "$in":
        items = [
            values.read(known.kind, f"{place}[{number}]", one) for number, one in enumerate(_list(parsed, value, place))
        ]
        looked_up = next((number for number in FEW_ITEMS if known.by_item and 0 < len(items) <= number), 0)
        return Leaf(known.name, "$in", negated, parsed.add(dialect.array(items)), items=looked_up)
    if operator == "$like":
        return Leaf(known.name, "$like", negated, parsed.add(dialect.pattern(*_pieces(parsed, known, value, place))))
    if operator == "$contains":
        return Leaf(
            known.name, "$like", negated, parsed.add(dialect.pattern_in_any_case(_words(parsed, known, value, place)))
        )
    return Leaf(known.name, operator, negated, parsed.add(values.read(known.kind, place, value)))


def _same_value(parsed: Parsed, operator: str, value: Any, place: str, *, negated: bool) -> Leaf:
    """Compare the value of a variable with JSON values, whatever their spelling."""
    items = _list(parsed, value, place) if operator == "$in" else [value]
    texts = [text for one in items for text in spellings(values.read(Kind.TEXT, place, one))]
    if operator == "$eq" and len(texts) == 1:
        return Leaf(_VALUE.name, "$eq", negated, parsed.add(texts[0]))
    return Leaf(_VALUE.name, "$in", negated, parsed.add(dialect.array(texts)))


def _words(parsed: Parsed, known: Field, value: Any, place: str) -> str:
    words: str = values.read(Kind.TEXT, place, value)
    if len(words) > WORDS_CHARACTERS_MAX:
        raise InvalidArgument(
            f"Expected {place} to have at most {WORDS_CHARACTERS_MAX} characters, but found {len(words)}"
        )
    parsed.count_pattern(words, place, over_long=LONG_WORDS_WEIGHT * known.long)
    return words


def _names(parsed: Parsed, known: Field, operator: str, value: Any, place: str) -> frozenset[str]:
    """Return the names that pass. They are taken in any case, as the contract says."""
    assert known.choices is not None, "a choice has choices"
    by_name = {name.upper(): name for name in known.choices}
    if operator == "$like":
        pieces = _pieces(parsed, known, value, place)
        return frozenset(name for upper, name in by_name.items() if _fits(upper, pieces))
    items = _list(parsed, value, place) if operator == "$in" else [value]
    found = set()
    for one in items:
        if not isinstance(one, str) or one.upper() not in by_name:
            raise refuse(place, f"one of {', '.join(known.choices)}", one)
        found.add(by_name[one.upper()])
    return frozenset(found)


def _list(parsed: Parsed, value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise refuse(place, "a list", value)
    parsed.items += len(value)
    if parsed.items > ITEMS_MAX:
        raise InvalidArgument(
            f"Expected the lists of a filter to have at most {ITEMS_MAX} items together, but found {parsed.items} with {place}"
        )
    return value


def _tags(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read a list of tags, all of which must be there."""
    tags = [values.read(Kind.TEXT, f"{place}[{number}]", one) for number, one in enumerate(_list(parsed, value, place))]
    if len(tags) > TAGS_MAX:
        raise InvalidArgument(f"Expected {place} to have at most {TAGS_MAX} tags, but found {len(tags)}")
    parsed.count(len(tags), place)
    return [Leaf(known.name, "$eq", False, parsed.add(tag)) for tag in tags]


def _of_members(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read an object of conditions on members, by their names. A plain value means equality."""
    if not isinstance(value, dict):
        raise refuse(place, "an object of conditions by name", value)
    leaves = []
    for name, asked in value.items():
        inside = f"{place}.{shown(name)[1:-1]}"
        parameter = parsed.add(values.read(Kind.TEXT, inside, name))
        for operator, operand in asked.items() if isinstance(asked, dict) else [("$eq", asked)]:
            if operator not in OPERATORS[Kind.MEMBERS]:
                expected = ", ".join(OPERATORS[Kind.MEMBERS])
                raise InvalidArgument(
                    f"Expected {inside} to have operators among {expected}, but found {shown(operator)}"
                )
            at = f"{inside}.{operator}" if isinstance(asked, dict) else inside
            if operand is not None or not isinstance(asked, dict):
                leaves.append(_of_member(parsed, known, parameter, operator, operand, place=at))
    return leaves


def _of_member(parsed: Parsed, known: Field, name: str, operator: str, value: Any, *, place: str) -> Leaf:
    """Read a condition on one member: *inner* has an alternative for each value, compared as a text or as a number."""
    negated, operator = operator in _NEGATIONS, _NEGATIONS.get(operator, operator)
    if operator == "$exists":
        parsed.count(1, place)
        return Leaf(known.name, "$exists", not values.flag(place, value), name)
    items = _list(parsed, value, place) if operator == "$in" else [value]
    parsed.count(max(len(items), 1), place)
    compares = "$eq" if operator == "$in" else operator
    inner = tuple(_of_member_value(parsed, known, compares, one, place) for one in items)
    return Leaf(known.name, "$in", negated, name, inner=inner)


def _of_member_value(parsed: Parsed, known: Field, operator: str, value: Any, place: str) -> Leaf:
    if operator == "$like":
        return Leaf(TEXT, "$like", False, parsed.add(dialect.pattern(*_pieces(parsed, known, value, place))))
    if _is_number(value):
        return Leaf(NUMBER, operator, False, parsed.add(_size(place, value)))
    if operator in _ORDERED or not isinstance(value, str):
        raise refuse(place, "a number" if operator in _ORDERED else "a text or a number", value)
    return Leaf(TEXT, operator, False, parsed.add(values.read(Kind.TEXT, place, value)))


# --- patterns

_PIECE = re.compile(r"\\(?P<escaped>.)|(?P<any>\*+)|(?P<one>\?)|(?P<plain>[^*?\\]+|\\)", re.DOTALL)


def _pieces(parsed: Parsed, known: Field, value: Any, place: str) -> list[str]:
    """Cut a pattern: `*` stands for any characters, `?` for one, and a backslash takes the meaning of the next one away.

    Several `*` in a row mean the same as one.
    """
    pattern = values.read(Kind.TEXT, place, value)
    parsed.count_pattern(pattern, place, over_long=int(known.long))
    marks = {"any": dialect.ANY, "one": dialect.ONE}
    return [marks.get(str(found.lastgroup), found[str(found.lastgroup)]) for found in _PIECE.finditer(pattern)]


def _fits(text: str, pieces: list[str]) -> bool:
    """Whether *text*, in capitals, fits a pattern in any case. The work grows with the text times the pattern, no faster."""
    ends = {0}  # the places in the text up to which the pieces so far can reach
    for piece in pieces:
        if piece == dialect.ANY:
            ends = set(range(min(ends), len(text) + 1))
        elif piece == dialect.ONE:
            ends = {end + 1 for end in ends if end < len(text)}
        else:
            capitals = piece.upper()
            ends = {end + len(capitals) for end in ends if text.startswith(capitals, end)}
        if not ends:
            return False
    return len(text) in ends


def _variables(parsed: Parsed, known: Field, value: Any, place: str) -> list[Leaf]:
    """Read a list of variables, each with a name and conditions on its value, which is JSON text."""
    leaves = []
    for number, one in enumerate(_list(parsed, value, place)):
        inside = f"{place}[{number}]"
        if not isinstance(one, dict) or one.get("name") is None or one.get("value") is None:
            raise refuse(inside, "an object with name and value", one)
        parsed.count(1, inside)
        name = parsed.add(values.read(Kind.TEXT, f"{inside}.name", one["name"]))
        conditions = _of_value(parsed, one["value"], f"{inside}.value")
        leaves.append(Leaf(known.name, "$eq", False, name, inner=tuple(conditions)))
    return leaves


def _of_value(parsed: Parsed, value: Any, place: str) -> list[Leaf]:
    """Read the conditions on the value of a variable: on its JSON text, or, beyond the contract, on its size as a number."""
    if not isinstance(value, dict):
        return _operations(parsed, _VALUE, value, place)
    sizes = {name: one for name, one in value.items() if name in _ORDERED and _is_number(one)}
    leaves = _operations(parsed, _VALUE, {name: one for name, one in value.items() if name not in sizes}, place)
    parsed.count(len(sizes), place)
    return leaves + [
        Leaf(NUMBER, name, False, parsed.add(_size(f"{place}.{name}", one))) for name, one in sizes.items()
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _size(place: str, number: float) -> float:
    if not is_double(number):
        raise refuse(place, DOUBLE, number)
    return float(number)
