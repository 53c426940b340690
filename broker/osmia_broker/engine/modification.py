"""Modify a running process instance: activate elements by hand, terminate element instances, move tokens.

All instructions are checked before anything is done. Activations come before terminations, so that no scope ends in between for want of
tokens. Scopes that have to be opened around an element get their input mappings, listeners and events as ever.
"""

from dataclasses import dataclass

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine.commands import (
    ActivateInstruction,
    ModifyProcessInstance,
    MoveInstruction,
    TerminateInstruction,
    Variables,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.lifecycle import (
    CONTAINERS,
    PROCESSORS,
    is_ending,
    open_scopes,
    put_into,
    terminate_with_scopes,
)
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.model.graph import Element, ElementType, Process
from osmia_broker.state.rows import ElementInstance, ElementState

NOT_ACTIVATABLE = frozenset({ElementType.START_EVENT, ElementType.BOUNDARY_EVENT})  #: they are entered by their trigger
_ANY = (0, -1)  # ancestor keys that mean: find the scope
# An element of this type lives in an instance of the same element.
_INSIDE_ITS_OWN = frozenset({ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE})


@dataclass(frozen=True, slots=True)
class _Activation:
    """One element to activate, and the variables by scope id.

    *opened* are the scopes for it, by element id. Activations that find the same open scopes share it, and so the scopes that they open.
    """

    element: Element
    opened: dict[str, ElementInstance]
    variables: tuple[tuple[str, Variables], ...]


@handles(ModifyProcessInstance)
def modify_process_instance(turn: Turn, command: ModifyProcessInstance) -> None:
    """Carry all instructions out, or none."""
    process = turn.find_element(command.process_instance_key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(
            f"Expected to modify process instance but no process instance found with key '{command.process_instance_key}'"
        )
    refuse_suspended(turn, process.key, f"modify process instance with key '{process.key}'")
    plan = _Plan(turn, process)
    activations = [plan.activation(one) for one in command.activate]
    terminated = [instance for one in command.terminate for instance in plan.terminated(one)]
    for one in command.move:
        moved, sources = plan.move(one)
        activations += moved
        terminated += sources
    for activation in activations:
        _activate(turn, activation)
    if terminated:
        _refuse_end_of_called(turn, process, terminated)
    for instance in terminated:
        if not instance.ended_ms:
            terminate_with_scopes(turn, instance)


class _Plan:
    """The checks of one modification."""

    def __init__(self, turn: Turn, process: ElementInstance) -> None:
        self._turn = turn
        self._process = process
        self._model: Process = turn.definitions.process(process.process_definition_key)
        self._living = turn.elements.of_instance(process.key)
        self._shared: dict[frozenset[int], dict[str, ElementInstance]] = {}
        self._prefix = f"Expected to modify instance of process '{process.element_id}' but it contains one or more"

    def activation(self, instruction: ActivateInstruction) -> _Activation:
        """Check an element to activate."""
        element = self._element(instruction.element_id)
        opened = self._scopes_for(element, instruction.ancestor_key)
        self._check_variables(element, instruction.variables)
        return self._activation(element, opened, instruction.variables)

    def _activation(
        self, element: Element, opened: dict[str, ElementInstance], variables: tuple[tuple[str, Variables], ...]
    ) -> _Activation:
        shared = self._shared.setdefault(frozenset(scope.key for scope in opened.values()), opened)
        return _Activation(element, shared, variables)

    def terminated(self, instruction: TerminateInstruction) -> list[ElementInstance]:
        """Return the element instances that an instruction terminates."""
        if instruction.element_id:
            return self._instances_of(instruction.element_id, "terminate")
        key = instruction.element_instance_key
        found = [instance for instance in self._living if instance.key == key]
        if not found:
            raise InvalidArgument(
                f"{self._prefix} terminate instructions with an element instance that could not be found: '{key}'"
            )
        return found

    def move(self, instruction: MoveInstruction) -> tuple[list[_Activation], list[ElementInstance]]:
        """Return what a move activates, once for each source, and the sources that it terminates."""
        if instruction.source_element_id:
            sources = self._instances_of(instruction.source_element_id, "move")
        else:
            sources = self.terminated(TerminateInstruction(instruction.source_element_instance_key))
        if self._process in sources:
            raise InvalidArgument(
                f"{self._prefix} move instructions with a source that is not supported: the process '{self._process.element_id}'"
            )
        element = self._element(instruction.target_element_id)
        self._check_variables(element, instruction.variables)
        activations = []
        for source in sources:
            if instruction.infers_ancestor:
                opened = self._scopes_around(source)
                self._refuse_new_loops(element, _scopes_of(element), opened)
            elif instruction.uses_source_parent:
                opened = self._scopes_for(element, source.scope_key)
            else:
                opened = self._scopes_for(element, instruction.ancestor_key)
            activations.append(self._activation(element, opened, instruction.variables))
        return activations, sources

    def _element(self, id: str) -> Element:
        element = self._model.elements.get(id)
        is_flow = element is None and self._model.has_flow(id)
        if not is_flow and (element is None or element.type is ElementType.PROCESS):
            raise InvalidArgument(
                f"{self._prefix} activate instructions with an element that could not be found: '{id}'"
            )
        if element is None or element.type in NOT_ACTIVATABLE:
            raise InvalidArgument(
                f"{self._prefix} activate instructions for elements that are unsupported: '{id}'."
                f" The activation of elements with type '{'SEQUENCE_FLOW' if element is None else element.type}' is not supported."
            )
        if any(flow.source.type is ElementType.EVENT_BASED_GATEWAY for flow in element.incoming):
            raise InvalidArgument(
                f"{self._prefix} activate instructions for elements that are unsupported: '{id}'."
                " The activation of events belonging to an event-based gateway is not supported."
            )
        return element

    def _instances_of(self, element_id: str, what: str) -> list[ElementInstance]:
        if element_id not in self._model.elements:
            raise InvalidArgument(
                f"{self._prefix} {what} instructions with an element that could not be found: '{element_id}'"
            )
        return [
            one
            for one in self._living
            if one.element_id == element_id and not one.loop_counter and one.type not in _INSIDE_ITS_OWN
        ]

    # --- scopes

    def _scopes_for(self, element: Element, ancestor_key: int) -> dict[str, ElementInstance]:
        """Return the open scopes by element id in which *element* is to be activated."""
        if ancestor_key not in _ANY:
            return self._scopes_of_ancestor(element, ancestor_key)
        opened: dict[str, ElementInstance] = {self._process.element_id: self._process}
        chain = _scopes_of(element)
        for scope in chain:
            around = self._holders(opened, scope)
            inside = [one for one in self._open_instances(scope) if one.scope_key in around]
            if len(inside) > 1:
                raise InvalidArgument(
                    f"{self._prefix} activate instructions for '{element.id}' but there are {len(inside)} instances of"
                    f" its flow scope '{scope.id}'. Please specify an ancestor element instance key"
                )
            if not inside:
                break
            opened[scope.id] = inside[0]
        self._refuse_new_loops(element, chain, opened)
        return opened

    def _holders(self, opened: dict[str, ElementInstance], scope: Element) -> set[int]:
        """Return the keys of the element instances that instances of *scope* may live in: the open scope around it, or what that holds.

        An ad-hoc subprocess holds inner instances, a multi-instance its body.
        """
        assert scope.scope is not None, "the process is open"
        outer = opened[scope.scope.id]
        keys = {outer.key}
        if outer.type == ElementType.AD_HOC_SUB_PROCESS:
            keys = {one.key for one in self._living if one.scope_key in keys}
        if scope.loop is not None:
            keys = {one.key for one in self._living if one.scope_key in keys and one.element_id == scope.id}
        return keys

    def _open_instances(self, scope: Element) -> list[ElementInstance]:
        return [
            one
            for one in self._living
            if one.element_id == scope.id and one.type not in CONTAINERS and self._is_open(one)
        ]

    def _is_open(self, instance: ElementInstance) -> bool:
        return instance.state is ElementState.ACTIVATED and not is_ending(self._turn, instance)

    def _scopes_of_ancestor(self, element: Element, ancestor_key: int) -> dict[str, ElementInstance]:
        ancestor = self._turn.elements.get(ancestor_key)
        if ancestor is None or ancestor.process_instance_key != self._process.key or not self._is_open(ancestor):
            raise InvalidArgument(
                f"{self._prefix} activate instructions with an ancestor scope key that does not exist,"
                f" or is not in an active state: '{ancestor_key}'"
            )
        chain = _scopes_of(element)
        is_around = ancestor is self._process or any(scope.id == ancestor.element_id for scope in chain)
        if not is_around or ancestor.type == ElementType.MULTI_INSTANCE_BODY:
            raise InvalidArgument(
                f"{self._prefix} activate instructions with an ancestor scope key that is not an ancestor of the element"
                f" to activate: '{ancestor_key}' is no flow scope of '{element.id}'"
            )
        opened = self._scopes_around(ancestor) | {ancestor.element_id: ancestor}
        self._refuse_new_loops(element, chain, opened)
        return opened

    def _scopes_around(self, instance: ElementInstance) -> dict[str, ElementInstance]:
        """Return the scopes that *instance* lives in, by element id."""
        opened: dict[str, ElementInstance] = {}
        scope = self._turn.elements.get(instance.scope_key)
        while scope is not None:
            if scope.type != ElementType.MULTI_INSTANCE_BODY:
                opened[scope.element_id] = scope
            scope = self._turn.elements.get(scope.scope_key)
        return opened or {self._process.element_id: self._process}

    def _refuse_new_loops(self, element: Element, chain: list[Element], opened: dict[str, ElementInstance]) -> None:
        """Refuse to open a multi-instance from the inside: nobody could say which instances it has."""
        for scope in chain:
            if scope.loop is not None and scope.id not in opened:
                raise InvalidArgument(
                    f"{self._prefix} activate instructions for elements that are unsupported: '{element.id}'."
                    f" The activation of elements inside the multi-instance '{scope.id}' is not supported while it has no instance."
                )

    # --- variables

    def _check_variables(self, element: Element, variables: tuple[tuple[str, Variables], ...]) -> None:
        allowed = {self._model.root.id, element.id, *(scope.id for scope in _scopes_of(element))}
        for scope_id, _ in variables:
            if scope_id and scope_id not in self._model.elements:
                raise InvalidArgument(
                    f"{self._prefix} variable instructions with a scope element id that could not be found: '{scope_id}'"
                )
            if scope_id and scope_id not in allowed:
                raise InvalidArgument(
                    f"{self._prefix} variable instructions with a scope element that doesn't belong to the activating"
                    f" element's flow scope: '{scope_id}' is no flow scope of '{element.id}'"
                )


def _scopes_of(element: Element) -> list[Element]:
    """Return the scopes around *element*, without the process, the outermost first."""
    scopes = []
    scope = element.scope
    while scope is not None and scope.scope is not None:
        scopes.append(scope)
        scope = scope.scope
    return scopes[::-1]


def _activate(turn: Turn, activation: _Activation) -> None:
    element, opened = activation.element, activation.opened
    assert element.scope is not None, "the process is never activated"
    instance = put_into(turn, element, open_scopes(turn, element.scope, opened))
    process = turn.elements[instance.process_instance_key]
    for scope_id, variables in activation.variables:
        put_local(turn, instance if scope_id == element.id else opened.get(scope_id, process), variables)


def _refuse_end_of_called(turn: Turn, process: ElementInstance, terminated: list[ElementInstance]) -> None:
    """Refuse to end a called instance: its caller would wait for ever.

    Raises:
        InvalidArgument: nothing of the instance would live after *terminated*.

    """
    origin = origin_of(turn, process.key)
    if origin is None or not origin.parent_process_instance_key:
        return
    inside = list(terminated)
    for scope in inside:  # grows while it is walked
        inside.extend(turn.elements.by("scope_key", scope.key))
    ending = {one.key for one in inside}
    living = turn.elements.of_instance(process.key)
    if process.key in ending or not any(one.key not in ending and _lives_on(turn, one) for one in living):
        raise InvalidArgument(
            f"Expected to modify instance of process '{process.element_id}' but the given instructions would terminate the instance."
            " The instance was created by a call activity in the parent process."
            " To terminate this instance please modify the parent process instead."
        )


def _lives_on(turn: Turn, instance: ElementInstance) -> bool:
    """Whether *instance* lives on if everything in it is terminated."""
    is_scope = turn.elements.has_any("scope_key", instance.key)
    has_token = turn.tokens.has_any("scope_key", instance.key)
    return not is_scope or has_token or PROCESSORS[instance.type].has_more(turn, instance)
