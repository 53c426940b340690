"""The process instances that ended long ago, the oldest first, for their removal."""

import msgspec
from sqlalchemy import and_, bindparam, or_, select, tuple_

from osmia_broker.state.rows import InstanceOrigin
from osmia_broker.store import schema
from osmia_broker.store.read.instances.instance_conditions import is_process
from osmia_broker.store.read.sources import Sources, by_itself, question

_instance = schema.element_instances
_root, _origin = _instance.alias(), schema.TABLES[InstanceOrigin]

#: An instance that another has called belongs to the outermost caller, and stays as long as that one is not old enough itself.
_belongs_to_a_younger_one = (
    select(_origin.c.key)
    .join(_root, _root.c.key == _origin.c.root_process_instance_key)
    .where(
        _origin.c.process_instance_key == _instance.c.key,
        or_(_root.c.ended_ms == schema.NOT_ENDED, _root.c.ended_ms > bindparam("until_ms")),
    )
    .exists()
)
_OLDEST = (
    select(_instance.c.key, _instance.c.ended_ms)
    .where(
        is_process,
        _instance.c.ended_ms > 0,
        _instance.c.ended_ms <= bindparam("until_ms"),
        and_(
            _instance.c.ended_ms >= bindparam("after_ms"),
            tuple_(_instance.c.ended_ms, _instance.c.key) > tuple_(bindparam("after_ms"), bindparam("after_key")),
        ),
        ~_belongs_to_a_younger_one,
    )
    .order_by(_instance.c.ended_ms, _instance.c.key)
    .limit(bindparam("limit"))
)


class Ended(msgspec.Struct, frozen=True):
    """A process instance and when it ended (epoch milliseconds)."""

    key: int
    ended_ms: int


NONE = Ended(0, 0)


@question(by_itself)
async def ended_instances(sources: Sources, until_ms: int, *, after: Ended = NONE, limit: int) -> list[Ended]:
    """Return instances that ended at *until_ms* or before, by their end, at most *limit* after the one that is given.

    They are those of the first partition: each partition is asked for its own. One that was called by another is among them only if the
    outermost caller ended by then too.
    """
    values = {"until_ms": until_ms, "after_ms": after.ended_ms, "after_key": after.key, "limit": limit}
    async with sources.database.snapshot() as snapshot:
        return [Ended(*row) for row in await snapshot.values(_OLDEST, values)]
