"""Models that stand in for a called process or a decision, and give fixed results."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import quoteattr

_BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="osmia">
  <bpmn:process id={id} isExecutable="true">
    <bpmn:startEvent id="start" />
{steps}
    <bpmn:endEvent id="end" />
{flows}
  </bpmn:process>
</bpmn:definitions>
"""
_STEP = """    <bpmn:scriptTask id="result-{number}"><bpmn:extensionElements>
      <zeebe:script expression={expression} resultVariable={name} />
    </bpmn:extensionElements></bpmn:scriptTask>"""
_FLOW = '    <bpmn:sequenceFlow id="flow-{number}" sourceRef="{source}" targetRef="{target}" />'
_DMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id={graph} name={id} namespace="osmia">
  <decision id={id} name={id}>
    <variable name="result" />
    <literalExpression><text>{text}</text></literalExpression>
  </decision>
</definitions>
"""


def process(id: str, variables: Mapping[str, Any]) -> bytes:
    """Return the BPMN of a process that sets these variables and ends."""
    steps = [
        _STEP.format(number=number, expression=quoteattr(f"={_feel(value)}"), name=quoteattr(name))
        for number, (name, value) in enumerate(variables.items())
    ]
    nodes = ["start", *(f"result-{number}" for number in range(len(steps))), "end"]
    flows = [
        _FLOW.format(number=number, source=source, target=target)
        for number, (source, target) in enumerate(pairwise(nodes))
    ]
    return _BPMN.format(id=quoteattr(id), steps="\n".join(steps), flows="\n".join(flows)).encode()


def decision(id: str, output: Any) -> bytes:
    """Return the DMN of a decision with this output."""
    text = _feel(output).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _DMN.format(id=quoteattr(id), graph=quoteattr(f"{id}-stand-in"), text=text).encode()


def _feel(value: Any) -> str:
    """Return *value* as a FEEL literal: FEEL reads JSON."""
    return json.dumps(value, ensure_ascii=False)
