"""Read BPMN models: from the bytes of a file to graphs of elements that never change, or to all faults of the file.

>>> from osmia_broker import model
>>> processes = model.parse("dinner.bpmn", content)
"""

from osmia_broker.model.dialects.zeebe import RESERVED_HEADERS, TASK_LISTENER_EVENTS, USER_TASK_JOB_TYPE
from osmia_broker.model.faults import Fault, InvalidModel
from osmia_broker.model.graph import Element, ElementType, Process, SequenceFlow
from osmia_broker.model.parse import parse

__all__ = [
    "RESERVED_HEADERS",
    "TASK_LISTENER_EVENTS",
    "USER_TASK_JOB_TYPE",
    "Element",
    "ElementType",
    "Fault",
    "InvalidModel",
    "Process",
    "SequenceFlow",
    "parse",
]
