"""Variables of every scope, living and ended."""

from sqlalchemy import func, literal_column

from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import SORTED_TENANT, Column, flag, key, text

CHARACTERS_MAX = 8_191  # of a value in a list, unless it is asked for as a whole; the contract's number
CHUNK_OF_WHOLE_VALUES = 8  # a value may have 4 MiB

_variable = schema.variables.alias("variable")
_origin = beside.Origin(_variable.c.process_instance_key)
_shortened = func.substr(_variable.c.value, literal_column("1"), literal_column(str(CHARACTERS_MAX)))
_is_long = func.length(_variable.c.value) > CHARACTERS_MAX


def _entity(shown_value: Column, chunk: int, *, shortens: bool) -> Entity:
    return Entity(
        "variables",
        _variable,
        (_variable.c.scope_key, _variable.c.name),
        (
            key("variableKey", dialect.variable_key(_variable.c.scope_key, _variable.c.name), sorts=True),
            text("name", _variable.c.name, sorts=True),
            text("value", _variable.c.value, shown_as=shown_value, sorts=True),
            flag("isTruncated", _is_long if shortens else _variable.c.scope_key < 0),
            key("scopeKey", _variable.c.scope_key, sorts=True),
            key("processInstanceKey", _variable.c.process_instance_key, sorts=True),
            _origin.root_field(),
            SORTED_TENANT,
        ),
        key_types=(int, str),
        chunk=chunk,
    )


WHOLE_VARIABLES = _entity(_variable.c.value, CHUNK_OF_WHOLE_VALUES, shortens=False)
#: Variables whose long values are cut. Filters and sorting use the whole value.
VARIABLES = _entity(_shortened, 500, shortens=True)
