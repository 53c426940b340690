"""The triggers of events: what fires an event that is caught, or what an event throws (BPMN 2.0, 10.5).

An event is a place (start, catch, boundary, end …: the element itself) and a trigger (one of these definitions). Every trigger is defined
once, for all places.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from osmia_broker.model.expressions import Expression


class Trigger(StrEnum):
    """The kinds of trigger."""

    TIMER = "TIMER"
    MESSAGE = "MESSAGE"
    SIGNAL = "SIGNAL"
    CONDITION = "CONDITION"
    ERROR = "ERROR"
    ESCALATION = "ESCALATION"
    COMPENSATION = "COMPENSATION"
    CANCEL = "CANCEL"
    TERMINATE = "TERMINATE"
    LINK = "LINK"


#: The triggers that come from outside of the process instance. An event that catches one of them has a timer or a subscription.
FROM_OUTSIDE = frozenset({Trigger.TIMER, Trigger.MESSAGE, Trigger.SIGNAL, Trigger.CONDITION})


class TimerKind(StrEnum):
    """The meaning of a timer's value: a moment, a time from now, or a repetition."""

    DATE = "timeDate"
    DURATION = "timeDuration"
    CYCLE = "timeCycle"


@dataclass(frozen=True, slots=True)
class TimerEvent:
    """Fires at a moment. A constant *value* has been checked; `engine.events.timers` reads it."""

    trigger: ClassVar[Trigger] = Trigger.TIMER
    kind: TimerKind
    value: Expression
    lenient: bool = False  # of the Activiti dialect: periods and dates as Joda-Time reads them
    until: Expression | None = None  # the last moment of a cycle (Activiti)


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """Fires when a message of this name and key is published. *correlation_key* is None for start events and for throwing events."""

    trigger: ClassVar[Trigger] = Trigger.MESSAGE
    name: Expression
    correlation_key: Expression | None = None


CREATE, UPDATE = "create", "update"  #: the changes of a variable that a condition may wait for
ALL_CHANGES = frozenset({CREATE, UPDATE})


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """Fires when a signal of this name is broadcast; or broadcasts it."""

    trigger: ClassVar[Trigger] = Trigger.SIGNAL
    name: Expression
    stays_inside: bool = False  # of the Activiti dialect: only the process instance that throws it gets it
    carries_all: bool = False  # of the Activiti dialect: all variables that a throwing event sees, and not only its own


@dataclass(frozen=True, slots=True)
class ConditionEvent:
    """Fires when variables change and the condition is true.

    *variables* are the names whose changes count; empty: those that the condition reads. *changes* says which changes count.
    """

    trigger: ClassVar[Trigger] = Trigger.CONDITION
    condition: Expression
    variables: frozenset[str] = frozenset()
    changes: frozenset[str] = ALL_CHANGES

    def is_concerned(self, changed: Iterable[str], created: Container[str]) -> bool:
        """Return whether one of the *changed* variables counts. Those in *created* are new in their scope."""
        watched = self.variables or self.condition.names
        return any(name in watched and (CREATE if name in created else UPDATE) in self.changes for name in changed)


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Catches an error, or throws it. *code* is None where every code is caught; that of a catching event is a constant."""

    trigger: ClassVar[Trigger] = Trigger.ERROR
    code: Expression | None = None


@dataclass(frozen=True, slots=True)
class EscalationEvent:
    """Catches an escalation, or throws it. *code* is as that of an error."""

    trigger: ClassVar[Trigger] = Trigger.ESCALATION
    code: Expression | None = None


@dataclass(frozen=True, slots=True)
class CompensationEvent:
    """Marks a handler (boundary event), or calls handlers: that of *activity_id*, or all of the scope if it is empty."""

    trigger: ClassVar[Trigger] = Trigger.COMPENSATION
    activity_id: str = ""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Goes on at the catching link event of the same name and scope."""

    trigger: ClassVar[Trigger] = Trigger.LINK
    name: str = ""


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """Cancels the transaction around it (end event), or catches that (boundary event of the transaction)."""

    trigger: ClassVar[Trigger] = Trigger.CANCEL


class Reach(StrEnum):
    """The reach of a terminate event: the scope around it, the loop around it, or everything up to the outermost caller."""

    SCOPE = "SCOPE"
    LOOP = "LOOP"
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class TerminateEvent:
    """Ends everything within its reach. Only those of the Activiti dialect reach beyond their scope."""

    trigger: ClassVar[Trigger] = Trigger.TERMINATE
    reach: Reach = Reach.SCOPE


EventDefinition = (
    TimerEvent
    | MessageEvent
    | SignalEvent
    | ConditionEvent
    | ErrorEvent
    | EscalationEvent
    | CompensationEvent
    | LinkEvent
    | CancelEvent
    | TerminateEvent
)
