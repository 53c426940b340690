"""Take the messages that other partitions have left in their `outbox`, each exactly once; list and confirm those of this one."""

from msgspec.json import decode

from osmia_broker.engine.commands import Command
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import FOLLOW_UPS, RETRY_MS
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import FollowUp, Received


class ListSent(Command, frozen=True, gc=False):
    """List the messages for *receiver* that it has not confirmed, behind the key *after*, oldest first: a page, with whether there may be more."""

    receiver: int
    after: int = 0


class Confirm(Command, frozen=True, gc=False):
    """The messages with these keys have been carried out by their receiver."""

    keys: tuple[int, ...]


class Receive(Command, frozen=True, gc=False):
    """Carry the message *key* of partition *sender* out, unless that has been done. The answer is False if the one before it, *previous*, is missing.

    *command* is the name of the command inside, *content* its fields as JSON. A message *aside* is kept and tried again later: carrying it
    out has failed.
    """

    sender: int
    key: int
    previous: int
    command: str
    content: str
    aside: bool = False


@handles(ListSent)
def list_sent(turn: Turn, command: ListSent) -> tuple[list[tuple[int, str, str]], bool]:
    """Return (key, name, content) of each message."""
    found: list[FollowUp]
    found, has_more = turn.state.match(FollowUp, ("target_partition",), (command.receiver,), command.after)
    return [(row.key, row.command, row.content) for row in found], has_more


@handles(Confirm)
def confirm(turn: Turn, command: Confirm) -> None:
    """Delete messages that have been carried out."""
    for row in turn.state.find_all(FollowUp, command.keys):
        turn.follow_ups.delete(row)


@handles(Receive)
def receive(turn: Turn, command: Receive) -> bool:
    """Take one message. It is carried out as a part of this turn, or left as a follow-up if the turn has to end before."""
    row = turn.received.get(command.sender)
    through = row.through_key if row is not None else 0
    if command.key <= through:
        return True
    if command.previous > through:
        return False
    turn.received.put(Received(command.sender, command.key))
    if command.aside:
        _keep_aside(turn, command)
    else:
        command_type, _ = FOLLOW_UPS[command.command]
        inner = decode(command.content, type=command_type)
        turn.follow(getattr(inner, "process_instance_key", 0), inner)
    return True


def _keep_aside(turn: Turn, command: Receive) -> None:
    """Keep a message as it came, which perhaps cannot even be read, as a follow-up that is tried again later."""
    key, here = turn.next_key(), turn.state.partition_id
    due_ms = turn.now_ms + RETRY_MS
    turn.follow_ups.insert(FollowUp(key, key, here, command.command, command.content, due_ms=due_ms))
