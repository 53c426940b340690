"""A deployed process in the form that the engine runs: elements and sequence flows, with every expression compiled.

`model.parse` builds it once; it never changes afterwards, and all instances share it. All elements are of one class, because the engine
needs the same of all of them (flows, mappings). The parts that only some have are in fields such as `job` and `user_task`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from osmia_broker.model.events import EventDefinition
from osmia_broker.model.expressions import Expression


class ElementType(StrEnum):
    """The kinds of element instance that the engine runs (the reference broker's names).

    A new kind needs a name here, an entry in `elements.py` and a processor. Two kinds are no element of a file: a MULTI_INSTANCE_BODY holds
    the instances of an activity with a loop, an AD_HOC_SUB_PROCESS_INNER_INSTANCE one path through an ad-hoc subprocess.
    """

    PROCESS = "PROCESS"
    SUB_PROCESS = "SUB_PROCESS"
    EVENT_SUB_PROCESS = "EVENT_SUB_PROCESS"
    TRANSACTION = "TRANSACTION"
    AD_HOC_SUB_PROCESS = "AD_HOC_SUB_PROCESS"
    AD_HOC_SUB_PROCESS_INNER_INSTANCE = "AD_HOC_SUB_PROCESS_INNER_INSTANCE"
    MULTI_INSTANCE_BODY = "MULTI_INSTANCE_BODY"
    CALL_ACTIVITY = "CALL_ACTIVITY"
    START_EVENT = "START_EVENT"
    INTERMEDIATE_CATCH_EVENT = "INTERMEDIATE_CATCH_EVENT"
    INTERMEDIATE_THROW_EVENT = "INTERMEDIATE_THROW_EVENT"
    BOUNDARY_EVENT = "BOUNDARY_EVENT"
    END_EVENT = "END_EVENT"
    RECEIVE_TASK = "RECEIVE_TASK"
    USER_TASK = "USER_TASK"
    SERVICE_TASK = "SERVICE_TASK"
    SEND_TASK = "SEND_TASK"
    SCRIPT_TASK = "SCRIPT_TASK"
    BUSINESS_RULE_TASK = "BUSINESS_RULE_TASK"
    MANUAL_TASK = "MANUAL_TASK"
    TASK = "TASK"  # undefined; it passes at once, like a manual task
    EXCLUSIVE_GATEWAY = "EXCLUSIVE_GATEWAY"
    PARALLEL_GATEWAY = "PARALLEL_GATEWAY"
    INCLUSIVE_GATEWAY = "INCLUSIVE_GATEWAY"
    EVENT_BASED_GATEWAY = "EVENT_BASED_GATEWAY"


#: The types that do work: they may have boundary events, loops and compensation handlers.
ACTIVITIES = frozenset(
    {
        ElementType.SUB_PROCESS,
        ElementType.TRANSACTION,
        ElementType.AD_HOC_SUB_PROCESS,
        ElementType.CALL_ACTIVITY,
        ElementType.RECEIVE_TASK,
        ElementType.USER_TASK,
        ElementType.SERVICE_TASK,
        ElementType.SEND_TASK,
        ElementType.SCRIPT_TASK,
        ElementType.BUSINESS_RULE_TASK,
        ElementType.MANUAL_TASK,
        ElementType.TASK,
    }
)

#: The gateways that choose flows by their conditions.
CHOOSING = frozenset({ElementType.EXCLUSIVE_GATEWAY, ElementType.INCLUSIVE_GATEWAY})

#: The types that hold elements of their own.
SCOPES = frozenset(
    {
        ElementType.PROCESS,
        ElementType.SUB_PROCESS,
        ElementType.EVENT_SUB_PROCESS,
        ElementType.TRANSACTION,
        ElementType.AD_HOC_SUB_PROCESS,
    }
)


@dataclass(slots=True, eq=False, repr=False)
class SequenceFlow:
    """The arrow from one element to the next."""

    id: str
    source: "Element"
    target: "Element"
    # Of a flow out of a gateway; in the Activiti dialect also of a flow out of other elements.
    condition: Expression | None = None
    skip: Expression | None = None  # `activiti:skipExpression`: whether to take the flow, instead of its condition


@dataclass(frozen=True, slots=True)
class VariableMapping:
    """One `zeebe:input` or `zeebe:output`: the value of *source* goes to the path *target* (`a.b` makes an object).

    *path* is the variable that the source names, or the variable and its property; empty if the source is another expression.
    One of Activiti does not see what the mappings before it have made.
    """

    source: Expression
    target: tuple[str, ...]
    path: tuple[str, ...] = ()
    sees_earlier: bool = True


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """The type, retries, headers and priority of the jobs of a task."""

    type: Expression
    retries: Expression
    headers: Mapping[str, str]  # those of the model, without the reserved ones
    priority: Expression | None = None  # None: that of the process


@dataclass(frozen=True, slots=True)
class UserTaskDefinition:
    """The assignment, dates and form of a user task. None: the model does not set it.

    *lenient* is true in the Activiti dialect: there a null assignee means nobody, in the `zeebe:` dialect it is an incident. Null candidates
    are an incident in both (Activiti refuses the command).

    A constant date has one of the forms of `dates.py` for its dialect.

    *name* and *documentation* are set where these texts of the element hold expressions. They may fail: the text itself is shown then.
    """

    name: Expression | None = None
    documentation: Expression | None = None
    assignee: Expression | None = None
    candidate_groups: Expression | None = None
    candidate_users: Expression | None = None
    due_date: Expression | None = None
    follow_up_date: Expression | None = None
    form_key: Expression | None = None
    form_id: Expression | None = None
    form_binding: str = "latest"  # or deployment, or versionTag: which version of form_id
    form_version_tag: str = ""
    category: Expression | None = None
    priority: Expression | None = None
    lenient: bool = False
    is_native: bool = False  # `zeebe:userTask`: no job is made for it
    external_reference: Expression | None = None  # of a native task: its form elsewhere
    # The task listeners of a native task by their event (creating, assigning …).
    listeners: "Mapping[str, tuple[ListenerDefinition, ...]]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptDefinition:
    """A FEEL script and the variable for its result."""

    expression: Expression
    result_variable: str


@dataclass(frozen=True, slots=True)
class DecisionCall:
    """The decision that a business rule task evaluates. *binding* is `latest`, `deployment` or `versionTag`."""

    decision_id: Expression
    result_variable: str
    binding: str = "latest"
    version_tag: str = ""  # for the binding versionTag


@dataclass(frozen=True, slots=True)
class CallDefinition:
    """The process that a call activity calls. *binding* is as that of a decision."""

    process_id: Expression
    binding: str = "latest"
    version_tag: str = ""
    propagates_parent_variables: bool = True  # into the called process, beside the input mappings
    propagates_child_variables: bool = True  # back to the caller; without effect beside output mappings
    business_id: Expression | None = None  # of the called instance; empty for none. None: that of the caller
    # Whether these expressions see the variables around the call, and not what its inputs have made.
    reads_around: bool = False


@dataclass(frozen=True, slots=True)
class ListenerDefinition:
    """An execution listener: a job before or after the element's own work."""

    type: Expression
    retries: Expression
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishDefinition:
    """The message that a throwing event or a send task publishes by itself (`zeebe:publishMessage`). None: the model does not set it."""

    name: Expression
    correlation_key: Expression | None = None
    message_id: Expression | None = None
    time_to_live: Expression | None = None  # an ISO duration


@dataclass(frozen=True, slots=True)
class LoopNames:
    """The names of the variables that count the instances of a loop, in the words of a dialect."""

    instances: str
    active: str
    completed: str
    terminated: str  # empty where the dialect has none
    counter: str = "loopCounter"
    counts_from: int = 1  # the counter of the first instance
    are_variables: bool = False  # whether they can be read everywhere in the loop, or by its completion condition alone


ZEEBE_LOOP = LoopNames(
    "numberOfInstances", "numberOfActiveInstances", "numberOfCompletedInstances", "numberOfTerminatedInstances"
)
ACTIVITI_LOOP = LoopNames(
    "nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances", "", counts_from=0, are_variables=True
)


LOOP_INSTANCES_MAX = 100_000  # of one loop


@dataclass(frozen=True, slots=True)
class MultiInstance:
    """An activity that runs once per item of *collection*, or *cardinality* times; with both, once per item of the first so many."""

    is_sequential: bool
    collection: Expression | None = None
    cardinality: Expression | None = None
    element_variable: str = ""  # holds the item; empty for none
    output_collection: str = ""  # the variable for the list of results; empty for none
    output_element: Expression | None = None
    # The variable that *output_element* reads, local to each instance. Empty if it is more than a variable or a property.
    result_variable: str = ""
    completion_condition: Expression | None = None
    names: LoopNames = ZEEBE_LOOP
    collects_locals: bool = False  # in the Activiti dialect: results are local variables, in the order of completion
    output_variable: str = ""  # the one that is collected; empty for an object of all


@dataclass(frozen=True, slots=True)
class StandardLoop:
    """An activity that is repeated while *condition* holds, at most *maximum* times (BPMN 2.0, 10.3.8)."""

    condition: Expression | None = None
    is_tested_before: bool = False
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class AdHocDefinition:
    """An ad-hoc subprocess: any of its elements may be activated, in any number. With a job (`Element.job`) a worker decides which.

    *output_collection*, *output_element* and *result_variable* are as those of a multi-instance.
    """

    active_elements: Expression | None = None  # a list of element ids; None: nothing at first
    completion_condition: Expression | None = None
    cancels_remaining_instances: bool = True
    output_collection: str = ""
    output_element: Expression | None = None
    result_variable: str = ""


@dataclass(slots=True, eq=False, repr=False)
class Element:
    """A BPMN node. The process itself is the outermost element.

    `catches` are the events that wait while the element is active: its own one (catch event, receive task), those behind an event-based
    gateway, and the start events of the event subprocesses inside a scope. `boundaries` are the events attached to it. Of an activity with a
    loop, the boundary events belong to the body and `catches` to each instance.
    """

    id: str
    type: ElementType
    name: str = ""
    documentation: str = ""
    scope: "Element | None" = None  # the process or subprocess around it
    incoming: list[SequenceFlow] = field(default_factory=list)  # in document order of the flows
    outgoing: list[SequenceFlow] = field(default_factory=list)
    children: "list[Element]" = field(default_factory=list)  # the elements directly inside a scope, in document order
    inputs: tuple[VariableMapping, ...] = ()
    outputs: tuple[VariableMapping, ...] = ()
    skip: Expression | None = None  # `activiti:skipExpression`: pass the element without its work if this is true
    is_extensible: bool = False  # as its process
    initiator_variable: str = ""  # of a start event: the variable that takes the user who starts the process
    job: JobDefinition | None = None  # also of a user task: its type, its one retry and the model's headers
    user_task: UserTaskDefinition | None = None
    script: ScriptDefinition | None = None
    decision: DecisionCall | None = None
    default_flow: SequenceFlow | None = None  # of an exclusive or inclusive gateway, and of an activity with conditions
    # The none start event of a process or subprocess; the only start event of an event subprocess.
    start: "Element | None" = None
    event_starts: "tuple[Element, ...]" = ()  # the start events of a process that have a trigger
    event: EventDefinition | None = None  # the trigger of an event or receive task; None for a none event
    is_interrupting: bool = True  # of a boundary event, and of the start event of an event subprocess
    attached_to: "Element | None" = None  # the activity of a boundary event
    boundaries: "tuple[Element, ...]" = ()  # in document order
    catches: "tuple[Element, ...]" = ()  # in document order
    event_subprocesses: "tuple[Element, ...]" = ()  # directly inside a process or subprocess
    call: CallDefinition | None = None
    loop: MultiInstance | StandardLoop | None = None
    ad_hoc: AdHocDefinition | None = None
    publish: PublishDefinition | None = None
    start_listeners: tuple[ListenerDefinition, ...] = ()
    end_listeners: tuple[ListenerDefinition, ...] = ()
    # `zeebe:properties` of an element inside an ad-hoc subprocess, whose worker reads them; None for one without a value.
    properties: Mapping[str, str | None] | None = None
    # `beforeAll` of a multi-instance: once, before its first instance.
    body_listeners: tuple[ListenerDefinition, ...] = ()
    is_for_compensation: bool = False  # a handler; it has no flows
    compensation_handler: "Element | None" = None  # of the compensation boundary event of this activity
    link_target: "Element | None" = None  # of a throwing link event
    has_conditions: bool = False  # some of its flows have conditions or skip expressions of the Activiti dialect, which any element may have
    may_end: bool = False  # a boundary event of the Activiti dialect: without a flow out of it, its token ends there
    only_passes: bool = False  # it does nothing but pass the token on, and nothing waits at it (`passing`)
    worked_out: Any = None  # what others have worked out from it once, for all instances; it ends with the model

    def __repr__(self) -> str:
        return f"Element({self.id}: {self.type})"  # its fields lead to the whole graph


class Reference(NamedTuple):
    """A reference of an *element* to what is defined in another file: the *tag* that has it, what *kind* is referred to, and by which *id*."""

    element: Element
    tag: str
    kind: str
    id: Expression


@dataclass(slots=True, eq=False)
class Process:
    """An executable process, with all its elements at any depth by id."""

    id: str
    name: str
    version_tag: str
    root: Element
    elements: dict[str, Element]  # includes the root
    #: JSON texts kept in the model, by the id of `zeebe:userTaskForm`
    forms: Mapping[str, str] = field(default_factory=dict)
    #: the values of the variables that an instance begins with if they are not given (Activiti's data objects)
    variables: dict[str, Any] = field(default_factory=dict)
    has_listeners_at_the_end: bool = False  # a user task has task listeners for `canceling`
    is_extensible: bool = False  # the file has no elements of Camunda's, so it may be of the Activiti dialect
    job_priority: Expression | None = None  # of its jobs, where the task does not say another one; None is 0

    def has_flow(self, id: str) -> bool:
        """Return whether a sequence flow has this id."""
        return any(flow.id == id for element in self.elements.values() for flow in element.outgoing)

    @property
    def bound_to_deployment(self) -> "list[Reference]":
        """The references to a process, decision or form that is deployed together with this process."""
        found = []
        for element in self.elements.values():
            if element.decision is not None and element.decision.binding == "deployment":
                found.append(Reference(element, "calledDecision", "decision", element.decision.decision_id))
            if element.call is not None and element.call.binding == "deployment":
                found.append(Reference(element, "calledElement", "process", element.call.process_id))
            task = element.user_task
            if task is not None and task.form_binding == "deployment" and task.form_id is not None:
                found.append(Reference(element, "formDefinition", "form", task.form_id))
        return found
