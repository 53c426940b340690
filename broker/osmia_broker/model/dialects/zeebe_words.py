"""The words of the `zeebe:` dialect: its elements, and the attributes of each."""

from collections.abc import Mapping

_BINDING = ("bindingType", "versionTag")

_OUTER: Mapping[str, tuple[str, ...]] = {
    "adHoc": ("activeElementsCollection", "outputCollection", "outputElement"),
    "assignmentDefinition": ("assignee", "candidateGroups", "candidateUsers"),
    "calledDecision": ("decisionId", "resultVariable", *_BINDING),
    "calledElement": ("processId", "propagateAllChildVariables", "propagateAllParentVariables", *_BINDING),
    "executionListeners": (),
    "formDefinition": ("formKey", "formId", "externalReference", *_BINDING),
    "ioMapping": (),
    "jobPriorityDefinition": ("priority",),
    "loopCharacteristics": ("inputCollection", "inputElement", "outputCollection", "outputElement"),
    "modelerTemplate": (),
    "priorityDefinition": ("priority",),  # of native user tasks; measured: ignored on job-based ones
    "properties": (),
    "publishMessage": ("correlationKey", "messageId", "timeToLive"),
    "script": ("expression", "resultVariable"),
    "subscription": ("correlationKey",),
    "taskDefinition": ("type", "retries"),
    "taskHeaders": (),
    "taskListeners": (),  # of native user tasks
    "taskSchedule": ("dueDate", "followUpDate"),
    "userTask": (),
    "userTaskForm": ("id",),
    "versionTag": ("value",),
}
_INNER: Mapping[str, tuple[str, ...]] = {
    "executionListener": ("eventType", "type", "retries"),
    "header": ("key", "value"),
    "input": ("source", "target"),
    "output": ("source", "target"),
    "property": ("name", "value"),
    "taskListener": ("eventType", "type", "retries"),
}
_REFUSED: Mapping[str, tuple[str, ...]] = {
    "conditionalFilter": ("variableNames", "variableEvents"),
    "linkedResource": ("resourceId", "resourceType", "linkName", *_BINDING),
    "linkedResources": (),
}

#: The extension elements that are read or have no effect on execution. On other elements than their own they are ignored.
SUPPORTED = frozenset(_OUTER)
#: The attributes of all elements of the dialect: of those, of the ones inside of them, and of some of newer versions that are refused by name.
ATTRIBUTES = {**_OUTER, **_INNER, **_REFUSED}
