"""Cluster variables."""

import msgspec
from sqlalchemy import literal_column

from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.store import schema
from osmia_broker.store.read.entities.variables import values_of
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import choice, maybe, members, text

_variable = schema.TABLES[ClusterVariable].alias("cluster_variable")


def _entity(*, shortens: bool) -> Entity:
    return Entity(
        "cluster variables",
        _variable,
        (_variable.c.name,),
        (
            text("name", _variable.c.name, sorts=True),
            *values_of(_variable.c.value, shortens=shortens),
            choice("scope", literal_column("'GLOBAL'"), ("GLOBAL", "TENANT"), sorts=True),
            maybe("tenantId", literal_column("''"), sorts=True, absent_last=False),
            members("metadata", _variable.c.metadata, msgspec.json.decode),
            choice("kind", literal_column("'JSON'"), ("JSON", "SECRET_REFERENCE")),
        ),
        where=_variable.c.deleted_ms == 0,
        key_types=(str,),
        is_of_cluster=True,
    )


#: Cluster variables whose long values are cut. Filters and sorting use the whole value.
CLUSTER_VARIABLES = _entity(shortens=True)
WHOLE_CLUSTER_VARIABLES = _entity(shortens=False)
