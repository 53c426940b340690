"""The rows of process instances: where their tokens are, what they hold, and where they come from."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import MIGRATED, Changing, StoredRow, stored


class ElementState(StrEnum):
    """The states of an element instance (BPMN 2.0, 13.3; the reference broker's names)."""

    ACTIVATING = "ACTIVATING"
    ACTIVATED = "ACTIVATED"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


#: The states of an element instance that has not ended, as its rows hold them.
RUNNING = tuple(
    state.value
    for state in (ElementState.ACTIVATING, ElementState.ACTIVATED, ElementState.COMPLETING, ElementState.TERMINATING)
)


@stored("element_instances", of_instance=True, lookups=("scope_key",), migrated=MIGRATED)
class ElementInstance(StoredRow):
    """One visit of a BPMN element. The process instance itself is the one of type PROCESS; its key is the instance's key."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_id: str
    type: str  # model.ElementType
    state: Changing[ElementState]
    scope_key: int = 0  # the element instance it lives in; 0 for the process
    entered_by: str = ""  # id of the sequence flow taken to it; empty where none was
    started_ms: int = 0
    ended_ms: Changing[int] = 0
    loop_counter: int = 0  # of an instance in a loop, from 1; else 0
    listeners_done: Changing[int] = 0  # how many listeners of the present step (start or end) have completed


@stored("waiting_tokens", of_instance=True, lookups=("scope_key",))
class WaitingToken(StoredRow):
    """A token that has arrived at a joining gateway over one flow and waits for the others."""

    key: int
    process_instance_key: int
    scope_key: int
    element_id: str  # the joining gateway
    flow_id: str
    started_ms: int
    ended_ms: Changing[int] = 0


@stored("variables", primary_key=("scope_key", "name"), of_instance=True)
class Variable(StoredRow):
    """A named value in a scope. It stays JSON text until an expression reads it. It lives as long as its scope."""

    scope_key: int  # the element instance that owns it
    name: str
    value: Changing[str]  # JSON
    process_instance_key: int = 0


@stored(
    "instance_origins",
    of_instance=True,
    lookups=("element_instance_key",),
    matches=(("bpmn_process_id", "correlation_key"),),
)
class InstanceOrigin(StoredRow):
    """The circumstances of a process instance that was not simply created: its caller, its message, the marks that it was given."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the process itself
    bpmn_process_id: str
    parent_process_instance_key: int = 0  # of a called instance
    parent_element_instance_key: int = 0  # the call activity
    root_process_instance_key: int = 0  # the outermost caller; the instance itself if nobody called it
    call_depth: int = 0  # how many callers are above it
    correlation_key: str = ""  # of the message that started it
    tags: str = ""  # JSON array of text; empty for none
    terminate_after: str = ""  # element ids, one per line
    suspended_ms: Changing[int] = 0  # since when it is suspended; 0 if it is not
    ended_ms: Changing[int] = 0
    initiator: str = ""  # the user who started it or its outermost caller; empty if nobody was named
    traceparent: Changing[str] = ""  # the trace context of its last cause from outside (W3C); empty without one


@stored(
    "business_ids",
    of_instance=True,
    lookups=("element_instance_key",),
    matches=(("bpmn_process_id", "business_id"),),
)
class BusinessId(StoredRow):
    """The business id of a living process instance, for finding it."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the process itself
    bpmn_process_id: str
    business_id: str
    ended_ms: Changing[int] = 0


@stored("created_once", of_instance=True, due="expires_ms", matches=(("idempotency_key",),))
class CreatedOnce(StoredRow):
    """A creation with an idempotency key, and its answer for those who repeat it."""

    key: int
    process_instance_key: int  # its own key: it comes into memory alone
    idempotency_key: str
    process_definition_key: int
    bpmn_process_id: str
    version: int
    created_process_instance_key: int
    expires_ms: Changing[int]
    business_id: str = ""
    tags: str = ""  # as those of an origin


@stored("called_instances", of_instance=True, lookups=("element_instance_key",))
class CalledInstance(StoredRow):
    """The process instance that a call activity has called."""

    key: int
    process_instance_key: int  # of the caller
    element_instance_key: int  # the call activity
    called_process_instance_key: int
    ended_ms: Changing[int] = 0


@stored("loops", of_instance=True, lookups=("element_instance_key",), sized=("items",))
class Loop(StoredRow):
    """The state of an activity with a loop."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the multi-instance body
    items: str  # the input collection as a JSON array; empty without one
    size: Changing[int]  # how many instances there will be; -1 if that is not known yet (standard loop)
    started: Changing[int] = 0  # how many instances have been created
    completed: Changing[int] = 0
    terminated: Changing[int] = 0
    ended_ms: Changing[int] = 0


@stored("loop_results", of_instance=True, lookups=("element_instance_key",), sized=("results",))
class LoopResult(StoredRow):
    """The results (output elements) of some neighbouring instances of a loop."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the multi-instance body
    chunk: int  # which neighbours, counted from 0
    results: Changing[str]  # JSON array; null where there is no result yet
    ended_ms: Changing[int] = 0


@stored("ad_hoc_completions", of_instance=True, lookups=("element_instance_key",))
class AdHocCompletion(StoredRow):
    """The decision of a worker that an ad-hoc subprocess completes with the last that lives in it."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the ad-hoc subprocess
    ended_ms: Changing[int] = 0


@stored("decision_evaluations", of_instance=True)
class DecisionEvaluation(StoredRow):
    """An evaluation of a decision, by a business rule task or for a caller. It is history: its row ends in the commit that writes it."""

    key: int
    process_instance_key: int  # its own key if a caller asked for it
    element_instance_key: int  # the business rule task; 0 if a caller asked for it
    decision_key: int
    decision_id: str
    output: str  # JSON; empty if it failed
    failed_decision_id: str  # empty if it did not fail
    failure_message: str
    evaluated: str  # JSON array of all decisions and knowledge models that were evaluated, in the order in which they were finished
    ended_ms: Changing[int] = 0


@stored("compensations", of_instance=True, lookups=("scope_key",), sized=("variables",))
class Compensation(StoredRow):
    """An activity that has completed and may have to be compensated; or a subprocess that holds such activities."""

    key: int
    process_instance_key: int
    # The living scope that it completed in; the process, for what completed in a subprocess that has ended.
    scope_key: int
    place: int  # the element instance that was its scope
    element_id: str  # the completed activity
    completed_key: int  # its element instance
    handler_id: str  # empty for a subprocess without a handler of its own
    variables: str = ""  # the local variables of the activity, JSON object
    thrower_key: Changing[int] = 0  # the throwing event that called the handler and waits for it
    handler_key: Changing[int] = 0  # the element instance of the handler, while it runs
    ended_ms: Changing[int] = 0
