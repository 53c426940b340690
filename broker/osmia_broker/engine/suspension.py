"""Suspend process instances and let them go on (contract-8.10.md, section 2).

While an instance is suspended, commands on it are refused, except to resume and to cancel it. Its jobs are not handed out, its timers, leases and
back-offs wait, and no message or signal reaches it. On resuming, each due time is moved by the time of the suspension, and messages that are still kept
arrive.
"""

from osmia_broker.engine.commands import CorrelateKept, ResumeProcessInstance, SuspendProcessInstance
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.remote import tell_opened
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.new_instances import add_origin, origin_of
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import InvalidState, NotFound
from osmia_broker.model.graph import ElementType
from osmia_broker.model.timers import LATEST_MS
from osmia_broker.state.rows import ElementInstance, JobState, SubscriptionKind


@handles(SuspendProcessInstance)
def suspend_process_instance(turn: Turn, command: SuspendProcessInstance) -> None:
    """Suspend a running instance, with the instances that it has called."""
    process = _running(turn, command.process_instance_key, "suspend")
    if is_suspended(turn, process.key):
        raise InvalidState(f"Expected to suspend process instance '{process.key}', but it is suspended already")
    _suspend(turn, process)


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
    _resume(turn, process)


def is_suspended(turn: Turn, process_instance_key: int) -> bool:
    """Whether a resident process instance is suspended."""
    origin = origin_of(turn, process_instance_key)
    return origin is not None and origin.suspended_ms != 0


def refuse_suspended(turn: Turn, process_instance_key: int, verb: str) -> None:
    """Refuse a command on a suspended instance.

    Raises:
        InvalidState: it is suspended.

    """
    if len(turn.origins) and is_suspended(turn, process_instance_key):
        raise InvalidState(f"Expected to {verb}, but process instance '{process_instance_key}' is suspended")


def _running(turn: Turn, key: int, verb: str) -> ElementInstance:
    process = turn.find_element(key)
    if process is None or process.type != ElementType.PROCESS or is_ending(turn, process):
        raise NotFound(f"Expected to {verb} a process instance with key '{key}', but no such process was found")
    return process


def _with_called(turn: Turn, process: ElementInstance) -> list[ElementInstance]:
    """Return *process* and all instances that it has called, at any depth."""
    found, callers = [process], [process]
    while callers:
        called = (row for caller in callers for row in turn.called.of_instance(caller.key))
        callers = turn.state.find_all(ElementInstance, [row.called_process_instance_key for row in called])
        found += callers
    return found


def _suspend(turn: Turn, outermost: ElementInstance) -> None:
    for process in _with_called(turn, outermost):
        origin = origin_of(turn, process.key) or add_origin(turn, process)
        if origin.suspended_ms:
            continue
        turn.origins.update(origin, suspended_ms=turn.now_ms)
        for job in turn.jobs.of_instance(process.key):
            state = JobState.SUSPENDED if job.state is JobState.ACTIVATABLE else job.state
            turn.jobs.update(job, state=state, deadline_ms=-job.deadline_ms)  # a time below 0 is held
        for timer in turn.timers.of_instance(process.key):
            turn.timers.update(timer, due_ms=-timer.due_ms)
        for follow_up in turn.follow_ups.of_instance(process.key):
            turn.follow_ups.update(follow_up, due_ms=-follow_up.due_ms)


def _resume(turn: Turn, outermost: ElementInstance) -> None:
    for process in _with_called(turn, outermost):
        origin = origin_of(turn, process.key)
        if origin is None or not origin.suspended_ms:
            continue
        held_ms = max(turn.now_ms - origin.suspended_ms, 0)
        turn.origins.update(origin, suspended_ms=0)
        for job in turn.jobs.of_instance(process.key):
            state = JobState.ACTIVATABLE if job.state is JobState.SUSPENDED else job.state
            turn.jobs.update(job, state=state, deadline_ms=_moved(job.deadline_ms, held_ms))
        for timer in turn.timers.of_instance(process.key):
            turn.timers.update(timer, due_ms=_moved(timer.due_ms, held_ms))
        for follow_up in turn.follow_ups.of_instance(process.key):
            turn.follow_ups.update(follow_up, due_ms=_moved(follow_up.due_ms, held_ms))
        for subscription in turn.subscriptions.of_instance(process.key):
            is_message = subscription.kind is SubscriptionKind.MESSAGE
            if not is_message or tell_opened(turn, subscription):
                continue
            if turn.state.may_have_message(subscription.name, subscription.correlation_key):
                turn.follow(process.key, CorrelateKept(subscription.key))


def _moved(held: int, held_ms: int) -> int:
    """Return the due time of a row that was held, later by the time for which it was held; 0 stays "never"."""
    return min(-held + held_ms, LATEST_MS) if held < 0 else 0
