"""Variables of every scope, living and ended."""

from itertools import chain
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, literal_column, not_, select

from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import CHUNK, Entity, Item
from osmia_broker.store.read.search.fields import SORTED_TENANT, Column, Condition, Field, Nested, flag, key, text
from osmia_broker.store.read.search.search import get
from osmia_broker.store.read.sources import Sources, no_such, of_all, question
from osmia_broker.store.read.sql import dialect, numbers

CHARACTERS_MAX = 8_191  # of a value in a list, unless it is asked for as a whole; the contract's number
CHUNK_OF_WHOLE_VALUES = 8  # a value may have 4 MiB

_variable = schema.variables.alias("variable")
_origin = beside.Origin(_variable.c.process_instance_key)
#: A variable has no index by its instance; the instance leads to its element instances, and these are the scopes.
_scope_of = schema.element_instances.alias("scope_of")
_of_instance = Nested(_scope_of, _scope_of.c.key, _variable.c.scope_key)


def values_of(column: Column, *, shortens: bool) -> tuple[Field, Field]:
    """Declare the value of a variable, perhaps cut where it is long, and whether it is cut. *column* is its JSON text."""
    shortened = func.substr(column, literal_column("1"), literal_column(str(CHARACTERS_MAX)))
    return (
        text("value", column, shown_as=shortened if shortens else column, long=True, sorts=True),
        flag("isTruncated", func.length(column) > CHARACTERS_MAX if shortens else literal_column("0") == 1),
    )


def _fields(*, shortens: bool) -> tuple[Field, ...]:
    return (
        key("variableKey", dialect.variable_key(_variable.c.scope_key, _variable.c.name), sorts=True),
        text("name", _variable.c.name, sorts=True),
        *values_of(_variable.c.value, shortens=shortens),
        key("scopeKey", _variable.c.scope_key, sorts=True, optional=False),
        key(
            "processInstanceKey",
            _variable.c.process_instance_key,
            nested=_of_instance,
            filtered=_scope_of.c.process_instance_key,
            sorts=True,
        ),
        _origin.root_field(),
        SORTED_TENANT,
    )


def _entity(*, shortens: bool, where: Condition | None = None) -> Entity:
    """Make the entity. *where* chooses variables of one instance, which are not large together."""
    are_small = shortens or where is not None
    return Entity(
        "variables",
        _variable,
        (_variable.c.scope_key, _variable.c.name),
        _fields(shortens=shortens),
        where=where,
        key_types=(int, str),
        chunk=CHUNK if are_small else CHUNK_OF_WHOLE_VALUES,
    )


#: Variables whose long values are cut. Filters and sorting use the whole value.
VARIABLES = _entity(shortens=True)
WHOLE_VARIABLES = _entity(shortens=False)

SCOPES = "scopes"  #: the parameter of the effective variables: an array of scopes, the innermost first
_scope, _inner_scope = dialect.items(SCOPES, "scope"), dialect.items(SCOPES, "inner_scope")
_hiding = schema.variables.alias("hiding")
_depth = select(_scope.c.key).where(_scope.c.value == _variable.c.scope_key).correlate(_variable).scalar_subquery()
#: The primary key is named, because SQLite prefers the index of names, which has an entry for each instance.
_is_hidden = dialect.by_index(
    select(_hiding.c.name)
    .select_from(_inner_scope.join(_hiding, _hiding.c.scope_key == _inner_scope.c.value))
    .where(_hiding.c.name == _variable.c.name, _inner_scope.c.key < _depth),
    _hiding,
    "sqlite_autoindex_variables_1",
).exists()
_is_effective = and_(_variable.c.scope_key.in_(select(_scope.c.value)), not_(_is_hidden))
#: The variables that an element instance sees: an inner one hides an outer one of the same name.
EFFECTIVE_VARIABLES = _entity(shortens=True, where=_is_effective)
WHOLE_EFFECTIVE_VARIABLES = _entity(shortens=False, where=_is_effective)

_NEXT_KEY: Select[Any] = select(schema.partition.c.next_key).where(schema.partition.c.id == bindparam("partition"))
_OF_SCOPES: Select[Any] = select(_variable.c.scope_key, _variable.c.name).where(
    dialect.among(_variable.c.scope_key, SCOPES)
)


async def variable(sources: Sources, key: int) -> Item:
    """Return the variable with this key, with its whole value. See `numbers.variable_key`.

    Raises:
        NotFound: there is none with this key.

    """
    for place in await _places(sources, key):
        if numbers.variable_key(*place) == key:
            item = await get(sources, WHOLE_VARIABLES, place, "variable")
            del item["isTruncated"]
            return item
    raise no_such("variable", key)


def _all_places(found: list[list[tuple[int, str]]], _given: object) -> list[tuple[int, str]]:
    return [*chain.from_iterable(found)]


@question(of_all(_all_places))
async def _places(sources: Sources, key: int) -> list[tuple[int, str]]:
    """Return the scopes and names of the variables that may have this key."""
    async with sources.leases.snapshot() as snapshot:
        ((next_key,),) = await snapshot.values(_NEXT_KEY, {"partition": sources.number})
    scopes = dialect.array(numbers.scopes_of(key, next_key))
    async with sources.database.snapshot() as snapshot:
        return [tuple(row) for row in await snapshot.values(_OF_SCOPES, {SCOPES: scopes})]
