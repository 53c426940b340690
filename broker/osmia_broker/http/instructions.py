"""Instructions of requests as those of the engine: what to activate, terminate and move in a running process instance."""

from typing import Annotated

from msgspec import Raw, field

from osmia_broker.calls.batches.plans import migration_plan
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.faults import Faults
from osmia_broker.engine.commands import ActivateInstruction, MoveInstruction, TerminateInstruction, Variables
from osmia_broker.engine.commands.batches import BatchPlan
from osmia_broker.http.described import GivenVariables, Referenced, one_of
from osmia_broker.http.types import Body, Key, Text, variables_text

ANCESTORS = ("direct", "inferred", "sourceParent")


class VariableInstruction(Body):
    """Variables to set in the scope with an element id; without one, in that of the process."""

    variables: GivenVariables = field(default_factory=Raw)
    scope_id: Text | None = None


class Activate(Body):
    """An element to activate, in a scope if its key is given."""

    element_id: Text | None = None
    variable_instructions: list[VariableInstruction] | None = None
    ancestor_element_instance_key: Key | None = None


class Terminate(Body):
    """An element instance, or all instances of an element, to terminate."""

    element_instance_key: Key | None = None
    element_id: Text | None = None


class Source(Body):
    """The tokens to move: one element instance, or all instances of an element."""

    source_type: Text | None = None  # not read: the members say it
    source_element_id: Text | None = None
    source_element_instance_key: Key | None = None


class Ancestor(Body):
    """The scope of the target of a move: `direct` with its key, `inferred` from the source's scopes, or `sourceParent`."""

    ancestor_scope_type: Annotated[Text, one_of(*ANCESTORS)] | None = None
    ancestor_element_instance_key: Key | None = None


class Move(Body):
    """Tokens to move to another element. The older names of the source stand beside the newer instruction."""

    source_element_instruction: Source | None = None
    source_element_id: Text | None = None
    target_element_id: Text | None = None
    ancestor_scope_instruction: Ancestor | None = None
    variable_instructions: list[VariableInstruction] | None = None


class Modification(Referenced):
    """The instructions of a modification."""

    activate_instructions: list[Activate] | None = None
    move_instructions: list[Move] | None = None
    terminate_instructions: list[Terminate] | None = None


class Mapping(Body):
    """An element of the running version, and the one in which it goes on."""

    source_element_id: Text | None = None
    target_element_id: Text | None = None


class MigrationPlan(Referenced):
    """The definition in which an instance goes on, and how its elements are mapped."""

    target_process_definition_key: Key | None = None
    mapping_instructions: list[Mapping] | None = None


def check_modification(body: Modification, faults: Faults) -> None:
    """Add the faults of the instructions."""
    for activate in body.activate_instructions or ():
        faults.require("elementId", activate.element_id)
        _check_variables(activate.variable_instructions, faults)
    for terminate in body.terminate_instructions or ():
        faults.require_one(elementId=terminate.element_id, elementInstanceKey=terminate.element_instance_key)
    for move in body.move_instructions or ():
        source = move.source_element_instruction or Source(source_element_id=move.source_element_id)
        faults.require_one(
            sourceElementId=source.source_element_id, sourceElementInstanceKey=source.source_element_instance_key
        )
        faults.require("targetElementId", move.target_element_id)
        _check_ancestor(move.ancestor_scope_instruction, faults)
        _check_variables(move.variable_instructions, faults)


def _check_variables(instructions: list[VariableInstruction] | None, faults: Faults) -> None:
    for one in instructions or ():
        faults.require("variables", None if variables_text(one.variables).strip() in ("", "null") else "given")


def _check_ancestor(ancestor: Ancestor | None, faults: Faults) -> None:
    if ancestor is None:
        return
    kind = ancestor.ancestor_scope_type
    if kind not in ANCESTORS:
        faults.add(f"The value for ancestorScopeType is '{kind or ''}' but must be one of {', '.join(ANCESTORS)}.")
    elif kind == "direct":
        faults.require("ancestorElementInstanceKey", ancestor.ancestor_element_instance_key)


def activations(body: Modification) -> list[ActivateInstruction]:
    """Translate the elements to activate."""
    return [
        ActivateInstruction(
            one.element_id or "", one.ancestor_element_instance_key or 0, _variables(one.variable_instructions)
        )
        for one in body.activate_instructions or ()
    ]


def terminations(body: Modification) -> list[TerminateInstruction]:
    """Translate the element instances to terminate."""
    return [
        TerminateInstruction(one.element_instance_key or 0, one.element_id or "")
        for one in body.terminate_instructions or ()
    ]


def moves(instructions: list[Move] | None) -> list[MoveInstruction]:
    """Translate the tokens to move."""
    return [_move(one) for one in instructions or ()]


def _move(move: Move) -> MoveInstruction:
    source = move.source_element_instruction or Source(source_element_id=move.source_element_id)
    ancestor = move.ancestor_scope_instruction or Ancestor()
    return MoveInstruction(
        target_element_id=move.target_element_id or "",
        source_element_instance_key=source.source_element_instance_key or 0,
        source_element_id=source.source_element_id or "",
        variables=_variables(move.variable_instructions),
        ancestor_key=ancestor.ancestor_element_instance_key or 0,
        infers_ancestor=ancestor.ancestor_scope_type == "inferred",
        uses_source_parent=ancestor.ancestor_scope_type == "sourceParent",
    )


def _variables(instructions: list[VariableInstruction] | None) -> tuple[tuple[str, Variables], ...]:
    return tuple((one.scope_id or "", parse_variables(variables_text(one.variables))) for one in instructions or ())


def migration(plan: MigrationPlan) -> BatchPlan:
    """Translate a migration plan.

    Raises:
        InvalidArgument: it lacks something.

    """
    mappings = [(one.source_element_id or "", one.target_element_id or "") for one in plan.mapping_instructions or ()]
    return migration_plan(plan.target_process_definition_key or 0, mappings)
