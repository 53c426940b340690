"""Models for these tests: fragments of XML inside a process that is otherwise right, and what became of them."""

from osmia_broker import model

DEFINITIONS = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    xmlns:activiti="http://activiti.org/bpmn" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:other="urn:other" id="file" targetNamespace="urn:test">
{content}
</bpmn:definitions>
"""
PROCESS = """<bpmn:process id="p" isExecutable="true">
<bpmn:startEvent id="start"/>
{content}
</bpmn:process>
"""


def definitions(content: str) -> bytes:
    """A file around *content*."""
    return DEFINITIONS.replace("{content}", content).encode()


def process(content: str) -> bytes:
    """A file with one executable process `p`, which has a start event beside *content*."""
    return definitions(PROCESS.replace("{content}", content))


def read(content: bytes | str) -> model.Process:
    """The one process of a file, or of a fragment of a process."""
    [found] = model.parse("test.bpmn", process(content) if isinstance(content, str) else content)
    return found


def faults(content: bytes | str) -> list[model.Fault]:
    """What is wrong with a file or a fragment of a process; empty where it can be deployed."""
    try:
        model.parse("test.bpmn", process(content) if isinstance(content, str) else content)
    except model.InvalidModel as refused:
        return refused.faults
    return []


def flow(id: str, source: str, target: str, condition: str = "") -> str:
    """A sequence flow."""
    inside = f"<bpmn:conditionExpression>{condition}</bpmn:conditionExpression>" if condition else ""
    return f'<bpmn:sequenceFlow id="{id}" sourceRef="{source}" targetRef="{target}">{inside}</bpmn:sequenceFlow>'


def element(tag: str, id: str = "it", extensions: str = "", attributes: str = "", inside: str = "") -> str:
    """An element with extension elements."""
    return (
        f'<bpmn:{tag} id="{id}" {attributes}><bpmn:extensionElements>{extensions}</bpmn:extensionElements>'
        f"{inside}</bpmn:{tag}>"
    )
