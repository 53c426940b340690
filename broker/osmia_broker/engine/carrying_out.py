"""The handlers of the partition's own commands about follow-ups."""

from osmia_broker.engine.commands.due import CarryOut, ParkFollowUp
from osmia_broker.engine.engine import handles, log_retry
from osmia_broker.engine.follow_ups import act_on, park_follow_up, take_follow_up
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.suspension.held_rows import is_held
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import TooLarge
from osmia_broker.state.rows import ErrorType, FollowUp


@handles(CarryOut)
def carry_out(turn: Turn, command: CarryOut) -> None:
    """Carry one follow-up out, unless that has been done already. If it ends in an incident, it waits behind that."""
    savepoint = turn.savepoint()
    row = turn.state.find(FollowUp, command.follow_up_key)
    if row is None or is_held(turn, row):
        return
    inner = take_follow_up(turn, command.follow_up_key)
    if inner is None:
        return
    try:
        act_on(turn, inner)
    except (IncidentRaised, TooLarge) as stop:
        turn.take_back(savepoint)
        error_type = stop.error_type if isinstance(stop, IncidentRaised) else ErrorType.IO_MAPPING_ERROR
        _park(turn, command.follow_up_key, str(stop), error_type)


@handles(ParkFollowUp)
def park(turn: Turn, command: ParkFollowUp) -> None:
    """Stop a follow-up that cannot be carried out."""
    _park(turn, command.follow_up_key, command.reason, ErrorType.UNKNOWN)


def _park(turn: Turn, key: int, reason: str, error_type: ErrorType) -> None:
    if name := park_follow_up(turn, key, reason, error_type):
        log_retry(name, reason)
