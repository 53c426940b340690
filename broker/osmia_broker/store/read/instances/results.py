"""The results of process instances that have ended: their variables, as they were at the end."""

from collections.abc import Collection

from sqlalchemy import bindparam, select

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.state.json_text import document
from osmia_broker.state.rows import ElementState
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_key, question

_element, _variable = schema.element_instances, schema.variables
_STATE = select(_element.c.state).where(_element.c.key == bindparam("key"))
_VARIABLES = select(_variable.c.name, _variable.c.value).where(_variable.c.scope_key == bindparam("key"))


@question(of_key("process_instance_key"))
async def result_of(sources: Sources, process_instance_key: int, names: Collection[str] = ()) -> str:
    """Return the variables, or only those with *names*, with which a process instance has completed, as a JSON object.

    Raises:
        NotFound: its history was deleted.
        InvalidState: it has not completed: it was terminated.

    """
    values = {"key": process_instance_key}
    async with sources.database.snapshot() as snapshot:
        states = await snapshot.values(_STATE, values)
        variables = dict([tuple(row) for row in await snapshot.values(_VARIABLES, values)])
    if not states:
        raise NotFound(
            f"Expected to find the result of process instance '{process_instance_key}', but its history was deleted"
        )
    if states[0][0] != ElementState.COMPLETED:
        raise InvalidState(
            f"Expected process instance '{process_instance_key}' of the first creation with this idempotency key to have completed,"
            " but it was terminated, so it has no result"
        )
    return document({name: variables[name] for name in names or variables if name in variables})
