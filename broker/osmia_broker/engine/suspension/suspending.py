"""Suspend process instances and let them go on.

While an instance is suspended, commands on it are refused, except to resume and to cancel it. Its jobs are not handed out, its timers, leases
and back-offs wait, and no message or signal reaches it. On resuming, each due time is moved by the time of the suspension, and messages that
are still kept arrive.

Its rows follow in slices if they are many (`held_slices`), and so do the instances that it has called. One that has not been reached yet goes on
for so long; only its return, and an error or an escalation that its suspended caller would have to catch, wait until the caller is resumed.
"""

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine.commands import ResumeProcessInstance, SuspendProcessInstance
from osmia_broker.engine.commands.inner import CorrelateKept, FollowCallers, FollowSuspension, MeetKeptMessages
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.remote import report_opened
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.suspension.held_rows import follow_callers, hold, is_suspended, release
from osmia_broker.engine.suspension.held_slices import ROWS_PER_SLICE, follow_orders
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import ElementInstance, InstanceOrigin, SubscriptionKind


@handles(SuspendProcessInstance)
def suspend_process_instance(turn: Turn, command: SuspendProcessInstance) -> None:
    """Suspend a running instance, with the instances that it has called."""
    process = _running(turn, command.process_instance_key, "suspend")
    if is_suspended(turn, process.key):
        raise InvalidState(f"Expected to suspend process instance '{process.key}', but it is suspended already")
    hold(turn, process, turn.now_ms)
    follow_callers(turn, [process], turn.now_ms)


@handles(ResumeProcessInstance)
def resume_process_instance(turn: Turn, command: ResumeProcessInstance) -> None:
    """Let a suspended instance go on, with the instances that it has called."""
    process = _running(turn, command.process_instance_key, "resume")
    origin = origin_of(turn, process.key)
    if origin is None or not origin.suspended_ms:
        raise InvalidState(f"Expected to resume process instance '{process.key}', but it is not suspended")
    caller = turn.find_element(origin.parent_process_instance_key) if origin.parent_process_instance_key else None
    if caller is not None and is_suspended(turn, caller.key):
        raise InvalidState(
            f"Expected to resume process instance '{process.key}', but process instance '{caller.key}', which has called it, is suspended"
        )
    since_ms, _ = release(turn, process)
    follow_callers(turn, [process], max(turn.now_ms, since_ms))  # the clock may have gone back


@carries_out(FollowCallers)
def suspend_or_resume_called(turn: Turn, command: FollowCallers) -> None:
    """Suspend called instances, or let them go on, as their callers are now: several commands on a caller may be on their way at once."""
    called = turn.state.find_all(ElementInstance, command.called_process_instance_keys)
    origins = {process.key: origin for process in called if (origin := origin_of(turn, process.key)) is not None}
    turn.state.find_all(ElementInstance, [origin.parent_process_instance_key for origin in origins.values()])
    rows = 0
    for place, process in enumerate(called):
        if rows > ROWS_PER_SLICE:
            keys = tuple(one.key for one in called[place:])
            turn.follow(0, FollowCallers(keys, command.ordered_ms))
            called = called[:place]
            break
        if not is_ending(turn, process):
            rows += _as_its_caller(turn, process, origins[process.key], command.ordered_ms)
    follow_callers(turn, called, command.ordered_ms)


def _as_its_caller(turn: Turn, process: ElementInstance, origin: InstanceOrigin, ordered_ms: int) -> int:
    """Suspend a called instance or let it go on; return how many rows have followed at once."""
    caller = origin_of(turn, origin.parent_process_instance_key)
    if caller is not None and caller.suspended_ms:
        return hold(turn, process, caller.suspended_ms)
    if origin.suspended_ms <= ordered_ms:
        return release(turn, process)[1]
    return 0


@carries_out(FollowSuspension)
def hold_or_release_rows(turn: Turn, command: FollowSuspension) -> None:
    """Hold or release the next rows of an instance."""
    follow_orders(turn, command)


@carries_out(MeetKeptMessages)
def meet_kept_messages(turn: Turn, command: MeetKeptMessages) -> None:
    """Let the messages arrive that are kept for the next subscriptions of a resumed instance."""
    process = turn.find_element(command.process_instance_key)
    if process is None or is_ending(turn, process):
        return
    found = turn.subscriptions.some_of_instance(process.key, command.after_key, turn.state.last_key, ROWS_PER_SLICE)
    for subscription in found:
        is_message = subscription.kind is SubscriptionKind.MESSAGE
        if not is_message or report_opened(turn, subscription):
            continue
        if turn.state.may_have_message(subscription.name, subscription.correlation_key):
            turn.follow(process.key, CorrelateKept(subscription.key))
    if len(found) == ROWS_PER_SLICE:
        turn.follow(process.key, MeetKeptMessages(process.key, found[-1].key))


def refuse_suspended(turn: Turn, process_instance_key: int, verb: str) -> None:
    """Refuse a command on a suspended instance.

    Raises:
        InvalidState: it is suspended.

    """
    if turn.origins.living and is_suspended(turn, process_instance_key):
        raise InvalidState(f"Expected to {verb}, but process instance '{process_instance_key}' is suspended")


def _running(turn: Turn, key: int, verb: str) -> ElementInstance:
    process = turn.find_element(key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(f"Expected to {verb} a process instance with key '{key}', but no such process was found")
    return process
