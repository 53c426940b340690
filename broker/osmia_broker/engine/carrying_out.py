"""The handlers that carry follow-ups out, and the list of the commands that may be follow-ups."""

from collections.abc import Callable
from typing import Any

from osmia_broker.engine.commands import CarryOut, Command, ContinueWalk, ParkFollowUp
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import park_follow_up, take_follow_up
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.walks import continue_walk

FOLLOW_UPS: dict[str, tuple[type[Command], Callable[[Turn, Any], None]]] = {
    "ContinueWalk": (ContinueWalk, continue_walk),
}  #: by the name that is stored; never renamed, since rows of an older version hold it
_COMMANDS = {name: command for name, (command, _) in FOLLOW_UPS.items()}


@handles(CarryOut)
def carry_out(turn: Turn, command: CarryOut) -> None:
    """Carry one follow-up out, unless that has been done already."""
    inner = take_follow_up(turn, command.follow_up_key, _COMMANDS)
    if inner is not None:
        _, act = FOLLOW_UPS[type(inner).__name__]
        act(turn, inner)


@handles(ParkFollowUp)
def park(turn: Turn, command: ParkFollowUp) -> None:
    """Stop a follow-up that cannot be carried out."""
    park_follow_up(turn, command.follow_up_key, command.reason)
