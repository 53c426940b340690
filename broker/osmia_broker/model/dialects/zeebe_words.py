"""The words of the `zeebe:` dialect: its elements, and the attributes of each."""

from collections.abc import Mapping

_BINDING = ("bindingType", "versionTag")

_OUTER: Mapping[str, tuple[str, ...]] = {
    "adHoc": ("activeElementsCollection", "outputCollection", "outputElement"),
    "assignmentDefinition": ("assignee", "candidateGroups", "candidateUsers"),
    "calledDecision": ("decisionId", "resultVariable", *_BINDING),
    "calledElement": ("processId", "propagateAllChildVariables", "propagateAllParentVariables", *_BINDING),
    "conditionalFilter": ("variableNames", "variableEvents"),  # of the definition of a conditional event
    "executionListeners": (),
    "formDefinition": ("formKey", "formId", "externalReference", *_BINDING),
    "ioMapping": (),
    "jobPriorityDefinition": ("priority",),
    "loopCharacteristics": ("inputCollection", "inputElement", "outputCollection", "outputElement"),
    "modelerTemplate": (),
    "priorityDefinition": ("priority",),  # of native user tasks; checked and without effect on job-based ones
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
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "linkedResource": ("resourceId", "resourceType", "linkName", *_BINDING),
    "linkedResources": (),
}

#: The elements of the dialect that stand directly in `extensionElements`.
OUTER = frozenset(_OUTER)
#: The elements that are known and not carried out here.
WITHOUT_EFFECT = frozenset(_WITHOUT_EFFECT)
#: The attributes of all elements of the dialect.
ATTRIBUTES = {**_OUTER, **_INNER, **_WITHOUT_EFFECT}
