"""The stored rows of the event log."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import Changing, StoredRow, stored


class EventKind(StrEnum):
    """The kinds of logged events, each named for the subject that something happened to."""

    PROCESS_INSTANCE = "PROCESS_INSTANCE"
    ELEMENT_INSTANCE = "ELEMENT_INSTANCE"
    JOB = "JOB"
    USER_TASK = "USER_TASK"
    INCIDENT = "INCIDENT"
    VARIABLE = "VARIABLE"
    DEPLOYMENT = "DEPLOYMENT"


@stored("event_log")
class LoggedEvent(StoredRow):
    """Something that happened. It is written in the commit that made it true, but only while the events are recorded."""

    key: int  # its position: a later event has a higher one
    kind: EventKind
    intent: str  # the verb, in the past: created, activated, completed …
    at_ms: int
    subject_key: int  # of the row that it happened to; of a variable, its scope
    process_instance_key: int  # 0 of a definition
    process_definition_key: int  # 0 of a decision and a form
    bpmn_process_id: str
    element_id: str
    element_instance_key: int
    name: str  # process id, element type, job type, error type, name of the variable, id of the definition
    details: str  # JSON object


@stored("event_recordings")
class EventRecording(StoredRow):
    """Whether events are recorded. There is one row at most; its key is 1."""

    key: int
    is_recording: Changing[int]  # 1 or 0
    complete_after: Changing[int]  # every event after this position is in the log
