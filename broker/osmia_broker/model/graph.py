"""A deployed process in the form that the engine runs: elements and sequence flows, with every expression compiled.

`model.parse` builds it once; it never changes afterwards, and all instances share it. All elements are of one class, because the engine
needs the same of all of them (flows, mappings). The parts that only some have are in fields such as `job` and `user_task`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from osmia_broker.model.expressions import Expression


class ElementType(StrEnum):
    """The kinds of element that the engine runs. A new kind needs a name here, an entry in `elements.py` and a processor."""

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
    TASK = "TASK"  # undefined; it passes at once, like a manual task
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
    """The type, retries and headers of the jobs of a task."""

    type: Expression
    retries: Expression
    headers: Mapping[str, str]  # those of the model, without the reserved ones


@dataclass(frozen=True, slots=True)
class UserTaskDefinition:
    """The assignment, dates and form of a user task. None: the model does not set it.

    *lenient* is true in the Activiti dialect: there a null assignee means nobody, in the `zeebe:` dialect it is an incident. Null candidates
    are an incident in both (Activiti refuses the command; user-tasks.md, section 3).

    A constant date has one of the forms of `dates.py` for its dialect.
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
    """A FEEL script and the variable for its result."""

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
    """A BPMN node. The process itself is the outermost element."""

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
    """An executable process, with all its elements at any depth by id."""

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
