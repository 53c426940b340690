"""The handlers of the partition's own commands about follow-ups."""

from osmia_broker.engine.commands import CarryOut, ParkFollowUp
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import act_on, park_follow_up, take_follow_up
from osmia_broker.engine.turn import Turn


@handles(CarryOut)
def carry_out(turn: Turn, command: CarryOut) -> None:
    """Carry one follow-up out, unless that has been done already."""
    inner = take_follow_up(turn, command.follow_up_key)
    if inner is not None:
        act_on(turn, inner)


@handles(ParkFollowUp)
def park(turn: Turn, command: ParkFollowUp) -> None:
    """Stop a follow-up that cannot be carried out."""
    park_follow_up(turn, command.follow_up_key, command.reason)
