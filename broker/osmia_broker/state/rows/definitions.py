"""The rows of what was deployed. Definitions are in memory as a whole, the bytes of files never are."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import Changing, StoredRow, stored


class SubscriptionKind(StrEnum):
    """The kinds of events that a subscription can wait for."""

    MESSAGE = "MESSAGE"
    SIGNAL = "SIGNAL"
    CONDITION = "CONDITION"
    TIMER = "TIMER"  # of a start event; elsewhere a timer has no subscription


@stored("process_definitions")
class ProcessDefinition(StoredRow):
    """A deployed version of a process."""

    key: int
    bpmn_process_id: str
    version: int  # from 1, dense per process id
    name: str
    version_tag: str
    resource_name: str
    checksum: str  # of the resource, which is kept once per content
    deployment_key: int
    deployed_ms: int
    deleted_ms: Changing[int] = 0  # since when it takes no new instances; those that run go on
    extensions_checksum: str = ""  # of its Activiti extension file, which is a resource too; empty without


@stored("start_subscriptions")
class StartSubscription(StoredRow):
    """A start event of the latest version of a process that waits for a message, a signal, a condition or a timer."""

    key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    kind: SubscriptionKind
    name: str = ""
    timer_key: int = 0  # of the timer, for the kind TIMER
    ended_ms: Changing[int] = 0
    # Of the instance that its timer could not begin, and that stands for the firings since; 0 if none does.
    stopped_key: Changing[int] = 0


@stored("decision_requirements")
class DecisionRequirements(StoredRow):
    """A deployed version of a DMN file: the graph that its decisions stand in."""

    key: int
    decision_requirements_id: str
    version: int
    name: str
    resource_name: str
    checksum: str
    deployment_key: int
    deployed_ms: int
    deleted_ms: Changing[int] = 0


@stored("decisions")
class Decision(StoredRow):
    """A deployed version of one decision of a graph."""

    key: int
    decision_id: str
    version: int
    name: str
    decision_requirements_key: int
    decision_requirements_id: str
    deployment_key: int
    deleted_ms: Changing[int] = 0
    version_tag: str = ""


@stored("forms")
class Form(StoredRow):
    """A deployed version of a form."""

    key: int
    form_id: str
    version: int
    resource_name: str
    checksum: str
    deployment_key: int
    deployed_ms: int
    deleted_ms: Changing[int] = 0
    version_tag: str = ""


@stored("resources", primary_key=("checksum",))
class Resource(StoredRow):
    """The bytes of a deployed file, kept once however many definitions and versions refer to it."""

    checksum: str  # SHA-256, hexadecimal
    content: bytes
