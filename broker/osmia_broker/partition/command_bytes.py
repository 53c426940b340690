"""Commands, their answers and their refusals as bytes, for a partition that is led by another process.

A command travels under the name of its class, with its fields by name: a process of another version passes over fields that it does not know.
The type of an answer is what the handler of the command says that it returns. So nothing is listed here twice.

Three commands have parts of no one type, and so a form of their own: a deployment travels as its files, and is compiled where it arrives; rows of the
cluster travel beside the name of their class; the values of a scope are JSON.
"""

from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

from osmia_broker import feel
from osmia_broker.base import errors
from osmia_broker.base.errors import OsmiaError, Overloaded, Rejection, TimedOut, Unavailable, Unsupported
from osmia_broker.engine.answers import SeenScope
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.cluster_rows import FollowCluster
from osmia_broker.engine.commands import Command, CompleteJob, DeployResources, ReadScope
from osmia_broker.engine.commands.tasks import UpdateUserTask
from osmia_broker.engine.engine import HANDLERS
from osmia_broker.rpc import Refusal
from osmia_broker.state.cluster_tables import CLUSTER_TYPES
from osmia_broker.state.rows import Row

CLASS, INTENT = "osmia-error", "osmia-intent"  # trailers: the class of a refusal, and the name of the refused command
_OF_JSON = (CompleteJob, UpdateUserTask)  # what may be anything in these is what a caller has written in JSON
_OF_LINKS: dict[str, type[OsmiaError]] = {"RESOURCE_EXHAUSTED": Overloaded, "DEADLINE_EXCEEDED": TimedOut}


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    """A command on its way to a partition, from the process *asker*. *user* is the person of a `ByPerson`; None for other commands."""

    partition: int
    is_own: bool
    name: str
    command: msgspec.Raw
    asker: int
    user: str | None = None


class Travelling(msgspec.Struct, frozen=True):
    """A command as it has arrived. *is_own* marks one of the broker itself, which is not refused for a full queue."""

    partition: int
    is_own: bool
    command: Command
    asker: int


class DeployFiles(Command, frozen=True, gc=False):
    """A deployment as it travels: the files, given as (name, content), which are compiled where it arrives."""

    files: tuple[tuple[str, bytes], ...]


class _Rows(msgspec.Struct, array_like=True, frozen=True):
    """FollowCluster as it travels."""

    rows: list[tuple[str, msgspec.Raw]]
    resources: tuple[tuple[str, bytes], ...]


class _Scope(msgspec.Struct, array_like=True, frozen=True):
    """SeenScope as it travels: the values as JSON."""

    values: dict[str, str]
    now: feel.Instant
    expression_s: float


_encoder = msgspec.msgpack.Encoder()
_envelopes = msgspec.msgpack.Decoder(_Envelope)
_rows = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]])
_row_decoders: dict[str, Any] = {kind.__name__: msgspec.msgpack.Decoder(kind) for kind in CLUSTER_TYPES}


@cache
def can_travel(kind: type[Command]) -> bool:
    """Return whether commands of *kind* have a form in bytes from which they can be made again.

    They have none if a field, or their answer, may be anything: a compiled model, any row, a value of an expression. JSON values are no such thing.
    """
    if kind in _FORMS:
        return True
    return (kind in _OF_JSON or not _may_be_anything(kind)) and not _may_be_anything(_answer_type(kind))


def ticket_of(command: Command) -> int:
    """Return the ticket of the caller who waits for what *command* brings about, after its answer; 0 if nobody does."""
    return int(getattr(command, "result_ticket", 0) or getattr(command, "ticket", 0))


def pack(command: Command, partition: int, *, asker: int, is_own: bool) -> bytes:
    """Return *command* of the process *asker* for *partition* as bytes.

    Raises:
        Unsupported: it has no such form.
    """
    user = command.user if isinstance(command, ByPerson) else None
    inner = command.inner
    kind = type(inner)
    if not can_travel(kind):
        raise Unsupported(f"Expected a command that can be sent to another process, but found {kind.__name__}")
    form = _FORMS.get(kind)
    raw = msgspec.Raw(_encoder.encode(inner if form is None else form(inner)))
    return _encoder.encode(_Envelope(partition, is_own, kind.__name__, raw, asker, user))


def unpack(message: bytes) -> Travelling:
    """Read what `pack` has made.

    Raises:
        Refusal: it is none.
    """
    try:
        found = _envelopes.decode(message)
        kind = _kinds().get(found.name)
        if kind is None:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Expected a command that this broker knows, but found '{found.name}' of another version; update all brokers",
            )
        command = _read(kind, found.command)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        raise Refusal("INVALID_ARGUMENT", "Expected a command of a partition, but found other bytes") from None
    command = command if found.user is None else ByPerson(command, found.user)
    return Travelling(found.partition, found.is_own, command, found.asker)


def pack_answer(answer: Any) -> bytes:
    """Return the answer of a command as bytes."""
    if isinstance(answer, SeenScope):
        answer = _Scope(
            {name: _json_of(value) for name, value in answer.values.items()}, answer.now, answer.expression_s
        )
    return _encoder.encode(answer)


def unpack_answer(command: Command, message: bytes) -> Any:
    """Read the answer of *command*.

    Raises:
        Unavailable: it is none, because the other process is of another version.
    """
    kind = type(command.inner)
    try:
        if kind is ReadScope:
            scope = msgspec.msgpack.decode(message, type=_Scope)
            return SeenScope(
                {name: msgspec.Raw(value.encode()) for name, value in scope.values.items()},
                scope.now,
                scope.expression_s,
            )
        return _answer_decoder(kind).decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unavailable(f"Expected the answer of {kind.__name__}, but found other bytes: {error}") from None


def pack_rows(rows: Iterable[Row]) -> bytes:
    """Return rows of the cluster as bytes."""
    return _encoder.encode(_named(rows))


def unpack_rows(message: bytes) -> list[Row]:
    """Read what `pack_rows` has made.

    Raises:
        Unavailable: it is none, because the other process is of another version.
    """
    try:
        return [_row_decoders[name].decode(row) for name, row in _rows.decode(message)]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise Unavailable(f"Expected rows of the cluster, but found other bytes: {error}") from None


def refusal_of(error: OsmiaError) -> Refusal:
    """Return a refusal of a partition as it travels."""
    trailers = ((CLASS, type(error).__name__),)
    if isinstance(error, Rejection) and error.intent:
        trailers += ((INTENT, error.intent),)  # type: ignore[assignment]
    return Refusal(error.status, str(error), trailers)


def named_error(name: str, text: str) -> OsmiaError | None:
    """Return the refusal of the class *name* with these words, as another process has made it; None if there is no such class."""
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, OsmiaError)):
        return None
    error: OsmiaError = kind.__new__(kind, text)  # some make their text of other parts, and this is the text
    return error


def error_of(refusal: Refusal) -> OsmiaError:
    """Return a refusal as the partition has raised it; one of the link itself is Unavailable, Overloaded or TimedOut."""
    trailers = dict(refusal.trailers)
    error = named_error(str(trailers.get(CLASS)), str(refusal))
    if error is None:
        return _OF_LINKS.get(refusal.status, Unavailable)(str(refusal))
    if isinstance(error, Rejection):
        error.intent = str(trailers.get(INTENT, ""))
    return error


def _named(rows: Iterable[Row]) -> list[tuple[str, msgspec.Raw]]:
    return [(type(row).__name__, msgspec.Raw(_encoder.encode(row))) for row in rows]


def _files_of(command: DeployResources) -> tuple[tuple[str, bytes], ...]:
    """Return the files of a deployment, an extension file behind the first process that it belongs to."""
    files: dict[tuple[str, bytes], None] = {}
    for resource in command.resources:
        files[resource.name, resource.content] = None
        if resource.extensions is not None:
            files[resource.extensions.name, resource.extensions.content] = None
    return tuple(files)


def _json_of(value: Any) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else feel.to_json(value)


#: The commands with a form of their own, each with what makes it.
_FORMS: dict[type[Command], Callable[[Any], Any]] = {
    DeployResources: _files_of,
    FollowCluster: lambda command: _Rows(_named(command.rows), command.resources),
    ReadScope: lambda command: command,
}


def _read(kind: type[Command], raw: msgspec.Raw) -> Command:
    """Read a command of *kind*.

    Raises:
        MsgspecError, UnicodeDecodeError, KeyError: it is none.
    """
    if kind is DeployResources:
        return DeployFiles(msgspec.msgpack.decode(raw, type=tuple[tuple[str, bytes], ...]))
    if kind is FollowCluster:
        found = msgspec.msgpack.decode(raw, type=_Rows)
        rows = tuple(_row_decoders[name].decode(row) for name, row in found.rows)
        return FollowCluster(rows, found.resources)
    command: Command = _decoder(kind).decode(raw)
    return command


def _may_be_anything(hint: Any, within: tuple[Any, ...] = ()) -> bool:
    """Return whether a value of the type *hint* has a part that no type describes."""
    if hint is Any:
        return True
    parts = get_args(hint)
    if not parts and isinstance(hint, type) and hint not in within:
        within = (*within, hint)
        if issubclass(hint, msgspec.Struct):
            hints = get_type_hints(hint)
            parts = tuple(hints[one.name] for one in msgspec.structs.fields(hint))
        elif is_dataclass(hint) or hasattr(hint, "_fields"):
            parts = tuple(get_type_hints(hint).values())
    return any(_may_be_anything(part, within) for part in parts)


@cache
def _kinds() -> dict[str, type[Command]]:
    return {kind.__name__: kind for kind in HANDLERS if kind is not ByPerson and can_travel(kind)}


@cache
def _decoder(kind: type[Command]) -> "msgspec.msgpack.Decoder[Any]":
    return msgspec.msgpack.Decoder(kind)


@cache
def _answer_type(kind: type[Command]) -> Any:
    return get_type_hints(HANDLERS[kind])["return"]


@cache
def _answer_decoder(kind: type[Command]) -> "msgspec.msgpack.Decoder[Any]":
    return msgspec.msgpack.Decoder(_answer_type(kind))
