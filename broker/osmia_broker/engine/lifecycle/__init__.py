"""The life of an element instance, as steps that can be taken one by one and taken again.

    enter -> ACTIVATING -- activate --> ACTIVATED -- plan_completion --> COMPLETING -- complete --> COMPLETED
                                   (any of them) -- terminate --> TERMINATED

`moves` changes the state of one element instance, `processor` holds the hooks with which a kind of element says what is special about
it, `steps` carries out the two steps, and `scopes` opens and ends whole scopes. A token is always a row: an element instance, or a token
that waits at a join. So a scope is finished when nothing lives in it any longer.
"""

from osmia_broker.engine.lifecycle.moves import (
    advance,
    deployment_of,
    enter,
    insert,
    is_empty,
    plan_completion,
)
from osmia_broker.engine.lifecycle.processor import PROCESSORS, Processor, no_flow, processes
from osmia_broker.engine.lifecycle.scopes import (
    empty,
    is_ending,
    open_inner,
    open_scopes,
    put_into,
    terminate,
    terminate_in_slices,
    terminate_inside,
    terminate_with_scopes,
)
from osmia_broker.engine.lifecycle.steps import CONTAINERS, ends_process, take, take_step
from osmia_broker.engine.models import model_of

__all__ = [
    "CONTAINERS",
    "PROCESSORS",
    "Processor",
    "advance",
    "deployment_of",
    "empty",
    "ends_process",
    "enter",
    "insert",
    "is_empty",
    "is_ending",
    "model_of",
    "no_flow",
    "open_inner",
    "open_scopes",
    "plan_completion",
    "processes",
    "put_into",
    "take",
    "take_step",
    "terminate",
    "terminate_in_slices",
    "terminate_inside",
    "terminate_with_scopes",
]
