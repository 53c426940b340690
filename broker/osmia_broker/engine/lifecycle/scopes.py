"""Whole scopes: opened from outside without their start event, and ended with everything that lives in them."""

from osmia_broker.engine.commands.inner import ContinueTermination
from osmia_broker.engine.domain_events import INSTANCE
from osmia_broker.engine.events.remote import end_subscription
from osmia_broker.engine.follow_ups import WAITING, carries_out, leave_follow_up
from osmia_broker.engine.lifecycle.compensable import finish_handler
from osmia_broker.engine.lifecycle.ended import process_ended
from osmia_broker.engine.lifecycle.moves import (
    ACTIVATED,
    ACTIVATING,
    TERMINATED,
    TERMINATING,
    advance,
    insert,
    is_empty,
)
from osmia_broker.engine.lifecycle.processor import PROCESSORS
from osmia_broker.engine.models import model_of
from osmia_broker.engine.new_jobs import cancel_jobs
from osmia_broker.engine.suspension.held_rows import release_for_the_end
from osmia_broker.engine.tasks.rows import cancel_tasks_of
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance

TERMINATED_AT_ONCE = 1_000  # element instances that one step ends; about 50 ms
TERMINATED_PER_SLICE = 100


def open_scopes(turn: Turn, scope: Element, opened: dict[str, ElementInstance]) -> ElementInstance:
    """Return the instance of *scope*, and add it and all around it that had to be opened to *opened* by element id.

    *opened* holds the scopes that are there already; the process at least. A new scope is prepared: when it is activated, it goes on with the
    elements that were put into it, instead of its start event (`elements/scopes`). The outermost new one is planned if what is around it is
    active.
    """
    chain: list[Element] = []
    inner: Element | None = scope
    while inner is not None and inner.id not in opened:
        chain.append(inner)
        inner = inner.scope
    for element in reversed(chain):
        assert element.scope is not None, "the process is open"
        opened[element.id] = put_into(turn, element, opened[element.scope.id])
    return opened[scope.id]


def put_into(turn: Turn, element: Element, scope: ElementInstance) -> ElementInstance:
    """Put a token on *element* inside *scope*: planned now, or with the activation of a scope that is only prepared.

    In an ad-hoc subprocess, the token gets an inner instance of its own.
    """
    is_ad_hoc = scope.type == ElementType.AD_HOC_SUB_PROCESS
    instance = insert(turn, element, open_inner(turn, scope) if is_ad_hoc else scope)
    if scope.state is ACTIVATED:
        turn.plan(instance)
    return instance


def open_inner(turn: Turn, scope: ElementInstance) -> ElementInstance:
    """Return a new inner instance of the ad-hoc subprocess *scope*, which holds one path through it."""
    inner = ElementInstance(
        key=turn.next_key(),
        process_instance_key=scope.process_instance_key,
        process_definition_key=scope.process_definition_key,
        element_id=scope.element_id,
        type=ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE,
        state=ACTIVATING,
        scope_key=scope.key,
        started_ms=turn.now_ms,
    )
    turn.elements.insert(inner)
    advance(turn, inner, ACTIVATED)
    rules = model_of(turn, scope).ad_hoc
    if rules is not None and rules.result_variable:
        put_local(turn, inner, {rules.result_variable: "null"})
    return inner


def terminate(turn: Turn, instance: ElementInstance) -> None:
    """End *instance* and everything that lives in it, the innermost first: jobs are cancelled, incidents closed, called instances terminated.

    The scope around *instance* is left as it is, even if it is empty now. If there is very much inside, it ends in slices: at once it only becomes
    TERMINATING, and nothing inside it acts any more (`is_ending`); its scope is notified at the end.
    """
    if not _end_at_once(turn, [instance]):
        terminate_in_slices(turn, instance)


def terminate_in_slices(turn: Turn, instance: ElementInstance, *, ends_scopes: bool = False) -> None:
    """Begin to end *instance* as `terminate` does if there is very much inside; with *ends_scopes* as `terminate_with_scopes` does."""
    if instance.state is not TERMINATING:
        if not instance.scope_key:
            release_for_the_end(turn, instance)
        advance(turn, instance, TERMINATING)
        turn.follow(instance.process_instance_key, ContinueTermination(instance.key, ends_scopes))


def terminate_with_scopes(turn: Turn, instance: ElementInstance) -> None:
    """End *instance* as `terminate` does, and every scope around it in which nothing lives any longer."""
    scope = turn.elements.get(instance.scope_key)
    if scope is not None:
        PROCESSORS[scope.type].child_terminated(turn, scope)
    if _end_at_once(turn, [instance]):
        _end_empty(turn, scope)
    else:
        terminate_in_slices(turn, instance, ends_scopes=True)


def _end_at_once(turn: Turn, instances: list[ElementInstance]) -> bool:
    """End *instances* with all that lives in them, unless that is too much for one step or is held; return whether they have ended."""
    inside = _with_all_inside(turn, instances)
    if len(inside) > TERMINATED_AT_ONCE or _is_held(turn, inside):
        return False
    for inner in reversed(inside):
        _end(turn, inner)
    return True


def _is_held(turn: Turn, inside: list[ElementInstance]) -> bool:
    """Let everything begin that has to be done before the end of these element instances; return whether there is something."""
    if not turn.user_tasks.living:
        return False
    definitions = {one.process_definition_key for one in inside}
    if not len(turn.global_listeners) and not any(
        turn.definitions.process(key).has_listeners_at_the_end for key in definitions
    ):
        return False
    return sum(PROCESSORS[inner.type].holds_end(turn, inner) for inner in inside) > 0  # all begin, not only the first


def _end_empty(turn: Turn, scope: ElementInstance | None) -> None:
    """End *scope* and those around it as long as nothing lives in them and they have nothing more to do; notify the first other one."""
    while scope is not None and scope.state is ACTIVATED:
        processor = PROCESSORS[scope.type]
        if not is_empty(turn, scope) or processor.has_more(turn, scope):
            processor.child_left(turn, scope)
            return
        outer = turn.elements.get(scope.scope_key)
        if outer is not None:
            PROCESSORS[outer.type].child_terminated(turn, outer)
        _end(turn, scope)
        scope = outer


def terminate_inside(turn: Turn, scope: ElementInstance, spared: ElementInstance | None = None) -> None:
    """End everything that lives in *scope*, but not the scope itself and not *spared*; in slices as `terminate`."""
    children = [child for child in turn.elements.by("scope_key", scope.key) if child is not spared]
    if not _end_at_once(turn, children):
        for child in children:
            if child.state is not TERMINATING:
                advance(turn, child, TERMINATING)
        turn.follow(scope.process_instance_key, ContinueTermination(scope.key))
    for token in turn.tokens.by("scope_key", scope.key):
        turn.tokens.end(token, turn.now_ms)


def empty(turn: Turn, scope: ElementInstance) -> None:
    """End everything that lives in *scope*, which goes on as it does behind its last child: it is finished, or the next one begins."""
    terminate_inside(turn, scope)
    PROCESSORS[scope.type].child_left(turn, scope)


def is_ending(turn: Turn, instance: ElementInstance) -> bool:
    """Whether *instance*, or a scope that it lives in, is being terminated in slices."""
    terminating = turn.elements.terminating
    if not terminating:
        return False
    inner: ElementInstance | None = instance
    while inner is not None:
        if inner.key in terminating:
            return True
        inner = turn.elements.get(inner.scope_key)
    return False


@carries_out(ContinueTermination)
def continue_termination(turn: Turn, command: ContinueTermination) -> None:
    """End the next element instances; with the last of them, notify the scope."""
    instance = turn.elements.get(command.element_instance_key)
    if instance is None:
        return
    is_whole = instance.state is TERMINATING
    children = turn.elements.by("scope_key", instance.key)
    roots = [instance] if is_whole else [child for child in children if child.state is TERMINATING]
    if turn.user_tasks.living and _is_held(turn, _everything_inside(turn, roots)):
        leave_follow_up(turn, instance.process_instance_key, command, due_ms=WAITING)
        return
    left = TERMINATED_PER_SLICE
    for root in roots:
        for inner in _innermost(turn, root, left):
            _end(turn, inner)
            left -= 1
        if not root.ended_ms:
            turn.follow(instance.process_instance_key, command)
            return
    scope = turn.elements.get(instance.scope_key) if is_whole else instance
    if command.ends_scopes:
        _end_empty(turn, scope)
    elif scope is not None:
        PROCESSORS[scope.type].child_left(turn, scope)


def _with_all_inside(turn: Turn, outermost: list[ElementInstance]) -> list[ElementInstance]:
    """Return *outermost* and all element instances inside them, each after the scope that it lives in; a called instance after its caller.

    If there are more than TERMINATED_AT_ONCE, the search stops. It goes level by level: a model may call itself without end. Called instances that
    are not resident are left out: they end on their own.
    """
    found, level = list(outermost), outermost
    while level and len(found) <= TERMINATED_AT_ONCE:
        called = [row for one in level for row in turn.called.by("element_instance_key", one.key)]
        level = [inner for one in level for inner in turn.elements.by("scope_key", one.key)]
        processes = (turn.elements.get(row.called_process_instance_key) for row in called)
        level += [process for process in processes if process is not None]
        found += level
    return found


def _everything_inside(turn: Turn, outermost: list[ElementInstance]) -> list[ElementInstance]:
    """Return *outermost* and all element instances inside them, without called instances."""
    found = list(outermost)
    for scope in found:  # grows while it is walked
        found.extend(turn.elements.by("scope_key", scope.key))
    return found


def _innermost(turn: Turn, outermost: ElementInstance, number: int) -> list[ElementInstance]:
    """Return up to *number* element instances inside *outermost* and itself, each before the scope that it lives in."""
    found: list[ElementInstance] = []
    pending, opened = [outermost], set()
    while pending and len(found) < number:
        instance = pending[-1]
        if instance.key in opened:
            found.append(pending.pop())
        else:
            opened.add(instance.key)
            pending.extend(turn.elements.by("scope_key", instance.key))
    return found


def _end(turn: Turn, instance: ElementInstance) -> None:
    PROCESSORS[instance.type].terminated(turn, instance)
    if turn.compensations.living:
        finish_handler(turn, instance)
    _clear(turn, instance)
    if not instance.scope_key:
        _cancel(turn, instance)
    advance(turn, instance, TERMINATED)


def _clear(turn: Turn, instance: ElementInstance) -> None:
    cancel_jobs(turn, instance.key)
    cancel_tasks_of(turn, instance)
    for token in turn.tokens.by("scope_key", instance.key):
        turn.tokens.end(token, turn.now_ms)
    for subscription in turn.subscriptions.by("element_instance_key", instance.key):
        end_subscription(turn, subscription)
    waiting = (turn.incidents, turn.timers, turn.called)
    for table in (*waiting, turn.loops, turn.loop_results, turn.ad_hoc_completions):
        for row in table.by("element_instance_key", instance.key):
            table.end(row, turn.now_ms)
    for compensation in turn.compensations.by("scope_key", instance.key):
        turn.compensations.end(compensation, turn.now_ms)


def _cancel(turn: Turn, process: ElementInstance) -> None:
    """Drop what belongs to a process instance as a whole. A caller who waits for its result waits on until its time is over (measured)."""
    turn.note(INSTANCE, "canceled", process.element_id, process.key, process.key)
    process_ended(turn, process, is_completed=False)
    for ticket, names in turn.awaited.pop(process.key).items():
        turn.journal.note(turn.awaited.add, process.key, ticket, names)
