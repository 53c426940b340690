"""A deployed process as the engine walks it: elements and sequence flows, every expression compiled.

Built once by `model.parse`, never changed afterwards, shared by all instances. Elements of every kind are one class, because the
engine asks all of them the same things (what leads out, what maps in and out); what only some have hangs off `job`, `user_task` and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from osmia_broker.model.expressions import Expression


class ElementType(StrEnum):
    """The kinds of element the engine knows. One more kind is one name here, its parsing, and its processor."""

    PROCESS = "PROCESS"
    SUB_PROCESS = "SUB_PROCESS"
    START_EVENT = "START_EVENT"
    END_EVENT = "END_EVENT"
    USER_TASK = "USER_TASK"
    SERVICE_TASK = "SERVICE_TASK"
    SEND_TASK = "SEND_TASK"
    SCRIPT_TASK = "SCRIPT_TASK"
    BUSINESS_RULE_TASK = "BUSINESS_RULE_TASK"
    MANUAL_TASK = "MANUAL_TASK"
    TASK = "TASK"  # of no kind: like a manual task it passes at once
    EXCLUSIVE_GATEWAY = "EXCLUSIVE_GATEWAY"
    PARALLEL_GATEWAY = "PARALLEL_GATEWAY"


@dataclass(slots=True, eq=False)
class SequenceFlow:
    """The arrow from one element to the next."""

    id: str
    source: "Element"
    target: "Element"
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class VariableMapping:
    """One `zeebe:input` or `zeebe:output`: the value of *source* goes to the path *target* (`a.b` makes an object)."""

    source: Expression
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """What the jobs of a task are made of."""

    type: Expression
    retries: Expression
    headers: Mapping[str, str]  # the model's own, static


@dataclass(frozen=True, slots=True)
class UserTaskDefinition:
    """What a person's task is made of. `None` where the model says nothing.

    *lenient* is the Activiti rule: a null assignee means nobody, where the `zeebe:` dialect raises an incident. Null candidates are
    an incident in both (measured there as a refused command, user-tasks.md section 3).

    Dates are text of the forms that deployment let through: zoned ISO date-times in the `zeebe:` dialect; local or zoned ones,
    dates, and ISO durations from now where *lenient*.
    """

    assignee: Expression | None = None
    candidate_groups: Expression | None = None
    candidate_users: Expression | None = None
    due_date: Expression | None = None
    follow_up_date: Expression | None = None
    form_key: Expression | None = None
    form_id: Expression | None = None
    form_binding: str = "latest"  # or deployment: which version of form_id
    category: Expression | None = None
    priority: Expression | None = None
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class ScriptDefinition:
    """A FEEL script and the variable its result goes to."""

    expression: Expression
    result_variable: str


@dataclass(frozen=True, slots=True)
class DecisionCall:
    """The decision that a business rule task evaluates. *binding* is `latest` or `deployment`."""

    decision_id: Expression
    result_variable: str
    binding: str = "latest"


@dataclass(slots=True, eq=False)
class Element:
    """A BPMN node. The process itself is the outermost one: the scope of all scopes."""

    id: str
    type: ElementType
    name: str = ""
    documentation: str = ""
    scope: "Element | None" = None  # the process or subprocess around it
    incoming: list[SequenceFlow] = field(default_factory=list)  # in document order of the flows
    outgoing: list[SequenceFlow] = field(default_factory=list)
    inputs: tuple[VariableMapping, ...] = ()
    outputs: tuple[VariableMapping, ...] = ()
    job: JobDefinition | None = None  # also of a user task: its type, its one retry and the model's headers
    user_task: UserTaskDefinition | None = None
    script: ScriptDefinition | None = None
    decision: DecisionCall | None = None
    default_flow: SequenceFlow | None = None  # of an exclusive gateway
    start: "Element | None" = None  # the none start event of a process or subprocess


@dataclass(slots=True, eq=False)
class Process:
    """An executable process: its own element and all elements within, at any depth, by id."""

    id: str
    name: str
    version_tag: str
    root: Element
    elements: dict[str, Element]  # includes the root
    #: JSON texts kept in the model, by the id of `zeebe:userTaskForm`
    forms: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bound_to_deployment(self) -> bool:
        """Whether an element refers to a decision or form that is deployed together with this process."""
        return any(
            (element.decision is not None and element.decision.binding == "deployment")
            or (element.user_task is not None and element.user_task.form_binding == "deployment")
            for element in self.elements.values()
        )
