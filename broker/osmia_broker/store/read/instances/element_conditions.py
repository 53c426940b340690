"""The conditions that views of a process instance put on its element instances, and their numbers."""

from sqlalchemy import ColumnElement, bindparam, case, func

from osmia_broker.store import schema
from osmia_broker.store.read.entities.beside import stopped

_element = schema.element_instances

of_instance: ColumnElement[bool] = _element.c.process_instance_key == bindparam("key")
is_open: ColumnElement[bool] = _element.c.ended_ms == schema.NOT_ENDED
is_stopped: ColumnElement[bool] = _element.c.key.in_(stopped("element_instance_key"))  #: an incident holds it


def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the number of rows with a condition. A sum would do on SQLite; on PostgreSQL it may be no integer, but a numeric."""
    return func.count(case((condition, 1)))
