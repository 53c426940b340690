"""Commands for other partitions: left in the commit that makes them necessary, and carried out there exactly once.

A message to another partition is a follow-up that is not due here. It is sent after its commit, again and again if need be, until the receiver has
carried it out; then it is deleted. The receiver takes the messages of one sender in the order of their keys, and keeps in one row how far it has
come, in the commit that carries one out. So a repeated message is recognised, and a lost one is missed.
"""

from msgspec.json import encode

from osmia_broker.engine.commands import Command
from osmia_broker.engine.follow_ups import FOLLOW_UPS, WAITING
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import FollowUp


def send(turn: Turn, receiver: int, command: Command) -> None:
    """Leave *command* for another partition, in the commit of this turn."""
    assert receiver != turn.state.partition_id, "a partition sends itself nothing"
    key = turn.next_key()
    content = encode(command).decode()
    name = type(command).__name__
    assert name in FOLLOW_UPS, f"{name} can be carried out"
    turn.follow_ups.insert(FollowUp(key, key, receiver, name, content, due_ms=WAITING, sent_ms=turn.now_ms))
