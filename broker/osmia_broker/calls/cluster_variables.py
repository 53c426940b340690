"""Calls of cluster variables, which every expression can read as `camunda.vars.cluster.name`."""

from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.base import CallGroup
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.faults import Faults
from osmia_broker.engine.commands import CreateClusterVariable, DeleteClusterVariable, UpdateClusterVariable
from osmia_broker.state.json_text import Digits
from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.state.storable import DOUBLE, NUL, is_double

NAME_CHARACTERS = 256
METADATA_MAX = 100  #: members, as the contract has it
KIND = "JSON"  #: the only kind of cluster variables; the contract has references to secrets, too


class ClusterVariableCalls(CallGroup):
    """Create, update and delete cluster variables."""

    def create_cluster_variable(
        self, name: str, value: str, *, metadata: Mapping[str, Any] | None = None, kind: str | None = None
    ) -> Awaitable[ClusterVariable]:
        """Create a cluster variable. *value* is JSON.

        Raises:
            AlreadyExists: there is one with this name.
            InvalidArgument: a value breaks a rule; the text has all faults.

        """
        faults = Faults()
        faults.require("name", name)
        faults.require("value", value)
        _check_metadata(metadata or {}, faults)
        if kind is not None and kind.upper() != KIND:
            faults.add(f"The value for kind is '{checks.quoted(kind)}' but must be {KIND}.")
        faults.refuse()
        checks.identifier("name", name, NAME_CHARACTERS)
        return self._partitions.submit(CreateClusterVariable(name, _one_value(value), _object(metadata or {})))

    def update_cluster_variable(
        self, name: str, value: str, *, metadata: Mapping[str, Any] | None = None
    ) -> Awaitable[ClusterVariable]:
        """Give a cluster variable another value. *value* is JSON; without *metadata*, they stay as they are.

        Raises:
            NotFound: there is none with this name.
            InvalidArgument: a value breaks a rule; the text has all faults.

        """
        faults = Faults()
        faults.require("value", value)
        _check_metadata(metadata or {}, faults)
        faults.refuse()
        _check_name(name)
        given = None if metadata is None else _object(metadata)
        return self._partitions.submit(UpdateClusterVariable(name, _one_value(value), given))

    def delete_cluster_variable(self, name: str) -> Awaitable[None]:
        """Delete a cluster variable."""
        return self._partitions.submit(DeleteClusterVariable(name))


def _check_name(name: str) -> None:
    if not name.strip():
        raise InvalidArgument("Expected a cluster variable to have a name, but found a blank one")
    checks.at_most("name", name, NAME_CHARACTERS)


def _object(metadata: Mapping[str, Any]) -> str:
    return msgspec.json.encode(metadata, enc_hook=_digits).decode()


def _one_value(text: str) -> str:
    """Return a JSON value in its one spelling.

    Raises:
        InvalidArgument: *text* is none, or more than one.

    """
    value = parse_variables(f'{{"value":{text}}}')["value"]
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as fault:  # `1,"more":2` is the inside of an object, too
        raise InvalidArgument(f"Invalid JSON value: {checks.quoted(text)} ({fault})") from fault
    return value


def _check_metadata(metadata: Mapping[str, Any], faults: Faults) -> None:
    """Add the faults of metadata, whose filters compare texts and numbers."""
    if len(metadata) > METADATA_MAX:
        faults.add(f"Expected metadata to have at most {METADATA_MAX} members, but found {len(metadata)}.")
    for name, value in metadata.items():
        if NUL in name:
            faults.add("Expected the names of metadata without NUL characters, but found one.")
            continue
        place, kind = f"metadata.{checks.quoted(name)}", checks.kind_of(value)
        if kind not in ("a text", "a number"):
            faults.add(f"Expected {place} to be a text or a number, but found {kind}.")
        elif kind == "a text" and NUL in value:
            faults.add(f"Expected {place} without NUL characters, but found one.")
        elif kind == "a number" and not is_double(value):
            faults.add(f"Expected {place} to be {DOUBLE}, but found a larger one.")


def _digits(value: Digits) -> msgspec.Raw:
    """Write a number with the digits that it came with."""
    return msgspec.Raw(value.text.encode())
