"""Commands that another command leaves: carried out in the same turn after its steps, or later as a follow-up. No caller sends them.

Their names are stored with follow-ups, so that none is ever renamed.
"""

from osmia_broker.engine.commands import Command, Variables


class ContinueWalk(Command, frozen=True, gc=False):
    """Go on with a walk that was too long for one turn; only ever a follow-up.

    *element_keys* are the element instances whose next step is left, *depths* how many steps led to each, *steps* all steps so far.
    """

    element_keys: tuple[int, ...]
    depths: tuple[int, ...]
    steps: int


class CorrelateMessage(Command, frozen=True, gc=False):
    """Go on with a published message after the subscription *after_key*.

    *message_key* is that of the message, kept or not; *reached* the process ids that it has reached so far. With *bpmn_process_id* it is
    for this process alone, and with *until_key* for the subscriptions below that key.
    """

    message_key: int
    name: str
    correlation_key: str
    variables: Variables
    after_key: int
    reached: tuple[str, ...]
    business_id: str = ""
    bpmn_process_id: str = ""
    until_key: int = 0
    traceparent: str = ""


class CorrelateKept(Command, frozen=True, gc=False):
    """Give a subscription that has just been opened the oldest kept message for it."""

    subscription_key: int


class StartFromKept(Command, frozen=True, gc=False):
    """Start a process from the oldest kept message with this key, now that the instance before has ended."""

    bpmn_process_id: str
    correlation_key: str


class DeliverSignal(Command, frozen=True, gc=False):
    """Deliver a signal to the next subscriptions after *after_key*, up to *until_key* exclusive.

    *correlation_key* is that of the subscriptions: the process instance of a signal that stays inside it, empty of any other.
    """

    name: str
    variables: Variables
    after_key: int
    until_key: int
    correlation_key: str = ""


class CheckConditions(Command, frozen=True, gc=False):
    """Check conditions: those of new subscriptions, or (none given) those that wait for one of the changed variables *names*.

    Of these, *created* did not exist before in their scope. They have changed in the element instance *scope_key* (0: the process instance), so what
    waits in there is concerned. The check goes on after the subscription *after_key*, up to *until_key* (0: the last one).
    """

    process_instance_key: int
    subscription_keys: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    scope_key: int = 0
    after_key: int = 0
    until_key: int = 0


class ContinueTermination(Command, frozen=True, gc=False):
    """Go on to terminate an element instance in the state TERMINATING, or the children of a scope in that state.

    With *ends_scopes*, every scope around it ends too in which nothing lives any longer; otherwise that goes on.
    """

    element_instance_key: int
    ends_scopes: bool = False


class ContinueLoop(Command, frozen=True, gc=False):
    """Create the next instances of a loop. *body_key* is the multi-instance body."""

    body_key: int


class ReturnFromCall(Command, frozen=True, gc=False):
    """Complete a call activity with the variables of the instance that it called."""

    element_instance_key: int
    called_process_instance_key: int
    variables: Variables


class TerminateCalled(Command, frozen=True, gc=False):
    """Terminate a called instance after its caller, when it was not resident; only ever a follow-up."""

    called_process_instance_key: int


class EndCallers(Command, frozen=True, gc=False):
    """End everything in the outermost caller of a called instance, which has asked for that."""

    process_instance_key: int


class FollowCallers(Command, frozen=True, gc=False):
    """Suspend called instances, or let them go on, as their callers are now; inner command or follow-up.

    *ordered_ms* (epoch) is the time of the command on the outermost caller, at least that of its suspension, which is also the one of those that
    it has called: an instance that was suspended later, alone, stays as it is.
    """

    called_process_instance_keys: tuple[int, ...]
    ordered_ms: int


class FollowSuspension(Command, frozen=True, gc=False):
    """Go on to hold the rows of a suspended instance, or to release them, as it was ordered; only ever a follow-up, and one of an instance.

    *orders* come one after the other, each for the rows up to a key: (this key, what is done). That is `held_slices.HOLD`, or the milliseconds by
    which due times are moved. The first order has come to the row *after_key* of the table at *place*.
    """

    process_instance_key: int
    orders: tuple[tuple[int, int], ...]
    place: int = 0
    after_key: int = 0


class MeetKeptMessages(Command, frozen=True, gc=False):
    """Give the subscriptions of a resumed instance after *after_key* the oldest kept messages for them."""

    process_instance_key: int
    after_key: int = 0
