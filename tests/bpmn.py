"""Processes in one line, for tests: `bpmn("start > approve:user(assignee=ada) > end")` gives the bytes of a BPMN file.

    start > approve:user(assignee=ada) > end            a sequence; `->` may be written for `>`
    approve                                             an id that was named before is that element again: joins, loops
    pick:exclusive [amount > 100 -> review:user > no:end | else -> ok:end]
                                                        a gateway and its branches; each starts with its condition (written in the
                                                        dialect's language, without `=` or `${}`), `else` is the default flow
    fork:parallel [a:job > join:parallel | b:job > join] > ship:job > end
                                                        branches of a parallel gateway have no condition. What follows `]` continues
                                                        from the end of each branch, unless that is an end event or was named before
    dine:sub { start > cook:job > end } > end           a subprocess; a plain `start` or `end` in it gets the id `dine_start`, `dine_end`
    charge:job(type="=kind", retries=5, in.sum="=amount", out.receipt="=result.id", header.tone=loud)
                                                        arguments; quote what contains `,` or `)`

    start > a:user > end & late:boundary(on=a, timer=PT1H, cancel=false) > b:job > end2
                                                        further sequences after `&`; a boundary event begins one
    help:eventsub { go:start(message=help, key="=id", interrupting=false) > c:job > end3 }
                                                        an event subprocess, also after `&`

    ask:user [${n > 5} -> a:job | else -> b:job]          in the Activiti dialect, any element may choose its flows

An element without a kind is a start event, an end event or (any other id) an undefined task: `start`, `end` by how the id begins.

Kinds: start, end, user, job (a service task; its type is its id unless `type` says otherwise), send, script, rule, task, manual, receive,
call, catch, throw, boundary, exclusive, parallel, inclusive, events (an event-based gateway), sub, eventsub, transaction, adhoc; also any
BPMN tag as it stands (`wait:receiveTask`).
Triggers of events: timer (a duration), date or cycle; message with key (of the Activiti dialect: correlation); signal; error; escalation; condition with watches (names of
variables) and changes (create, update); link; compensate (an activity,
or `any`); terminate (yes; all or loop in Activiti); cancelled=yes. A code `any` catches all. A compensation boundary event has its handler in `handler`.
Loops: items, item, results, result, sequential, done; cardinality; repeat (a standard loop's condition) and times.
Of the Activiti dialect: collection, element, output, output_item, index; until (of a cycle); scope=inside (of a signal); user: category, skip; start: initiator; any: doc, default;
user and start: fields (of a form); call: in., out., inherit, business, inherit_business.
Call: process, binding, tag, parent and child (whether variables are propagated). Listeners: on_start, on_end (types, separated by blanks).
Arguments: `name`; in., out. (mappings) and header.; user: assignee, groups, users, due, follow_up, form, form_id, priority;
of a native one (native=yes) also reference, and task listeners: creating, assigning, updating, completing, canceling (types);
job, send, script, rule: type, retries; job: job_priority; script: expression, result; rule: decision, result.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from tests import bpmn_events as events

TASK_EVENTS = ("creating", "assigning", "updating", "completing", "canceling")

_TAGS = {
    "start": "startEvent",
    "end": "endEvent",
    "user": "userTask",
    "job": "serviceTask",
    "send": "sendTask",
    "script": "scriptTask",
    "rule": "businessRuleTask",
    "task": "task",
    "manual": "manualTask",
    "receive": "receiveTask",
    "call": "callActivity",
    "catch": "intermediateCatchEvent",
    "throw": "intermediateThrowEvent",
    "boundary": "boundaryEvent",
    "exclusive": "exclusiveGateway",
    "parallel": "parallelGateway",
    "inclusive": "inclusiveGateway",
    "events": "eventBasedGateway",
    "sub": "subProcess",
    "eventsub": "subProcess",
    "transaction": "transaction",
    "adhoc": "adHocSubProcess",
}
_CONDITIONAL = ("exclusiveGateway", "inclusiveGateway")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ELEMENT = re.compile(r"\s*([\w.-]+?)\s*(?::\s*(\w+))?\s*(?:\((.*)\))?\s*", re.DOTALL)

_NAMESPACES = {  # of its own dialect only, as the tools write it
    "zeebe": 'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"',
    "activiti": 'xmlns:activiti="http://activiti.org/bpmn"',
}
_FILE = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    {namespace}
    id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id={id} name={name} isExecutable="true">
{content}
  </bpmn:process>
{shared}
</bpmn:definitions>
"""


def bpmn(line: str, *, id: str = "process", name: str = "", dialect: str = "zeebe", extra: str = "") -> bytes:
    """The file that *line* describes, in the `zeebe` or the `activiti` dialect.

    *extra* is XML to stand in the process after all elements. A line that cannot be read raises ValueError.
    """
    process = _Scope()
    _Reader(dialect).read(line, process)
    content = "\n".join([*process.lines("    "), extra])
    shared = "\n".join(f"  {one}" for one in process.shared())
    namespace = _NAMESPACES[dialect]
    return _FILE.format(
        id=quoteattr(id), name=quoteattr(name or id), namespace=namespace, content=content, shared=shared
    ).encode()


@dataclass
class _Node:
    id: str
    tag: str
    arguments: dict[str, str]
    default: str = ""
    content: "_Scope | None" = None
    dialect: str = "zeebe"
    kind: str = ""

    def lines(self, indent: str) -> Iterator[str]:
        attributes = {
            "id": self.id,
            "name": self.arguments.get("name", ""),
            "default": self.default or self.arguments.get("default", ""),
        }
        attributes |= events.attributes(self.tag, self.kind, self.arguments, self.id)
        extensions = _zeebe(self)
        if self.dialect == "activiti":
            attributes |= _activiti(self)
            extensions = _activiti_extensions(self)
        text = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value)
        yield f"{indent}<bpmn:{self.tag}{text}>"
        if extensions:
            yield f"{indent}  <bpmn:extensionElements>{extensions}</bpmn:extensionElements>"
        if self.content is not None:
            yield from self.content.lines(indent + "  ")
        if "doc" in self.arguments:
            yield f"{indent}  <bpmn:documentation>{escape(self.arguments['doc'])}</bpmn:documentation>"
        for line in events.children(self.tag, self.id, self.arguments):
            yield f"{indent}  {line}"
        yield f"{indent}</bpmn:{self.tag}>"


@dataclass
class _Flow:
    id: str
    source: _Node
    target: _Node
    condition: str

    def line(self, indent: str) -> str:
        ends = f'id="{self.id}" sourceRef="{self.source.id}" targetRef="{self.target.id}"'
        if not self.condition:
            return f"{indent}<bpmn:sequenceFlow {ends}/>"
        text = f'<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{escape(self.condition)}</bpmn:conditionExpression>'
        return f"{indent}<bpmn:sequenceFlow {ends}>{text}</bpmn:sequenceFlow>"


@dataclass
class _Scope:
    prefix: str = ""
    nodes: dict[str, _Node] = field(default_factory=dict)
    flows: list[_Flow] = field(default_factory=list)

    def lines(self, indent: str) -> Iterator[str]:
        for node in self.nodes.values():
            yield from node.lines(indent)
        for flow in self.flows:
            yield flow.line(indent)
        for node in self.nodes.values():
            if "handler" in node.arguments:
                ends = f'sourceRef="{node.id}" targetRef="{node.arguments["handler"]}"'
                yield f'{indent}<bpmn:association id="{node.id}_to_handler" {ends} associationDirection="One"/>'

    def shared(self) -> Iterator[str]:
        """The messages, signals, errors and escalations that the events of this scope and all inside refer to."""
        for node in self.nodes.values():
            yield from events.shared(node.id, node.arguments, node.dialect)
            if node.content is not None:
                yield from node.content.shared()

    def connect(self, source: _Node, target: _Node, condition: str = "") -> _Flow:
        id = f"{source.id}_to_{target.id}"
        taken = sum(flow.source is source and flow.target is target for flow in self.flows)
        flow = _Flow(f"{id}_{taken + 1}" if taken else id, source, target, condition)
        self.flows.append(flow)
        return flow


class _Reader:
    def __init__(self, dialect: str) -> None:
        if dialect not in ("zeebe", "activiti"):
            raise ValueError(f"Expected the dialect 'zeebe' or 'activiti', but found '{dialect}'")
        self.dialect = dialect

    def read(
        self, line: str, scope: _Scope, ends: list[_Node] | None = None, condition: str | None = None
    ) -> list[_Node]:
        """Enter a sequence that continues from *ends*; what it ends with."""
        line, *further = _split(line, ("&",))
        for one in further:
            self.read(one, scope)
        ends = ends or []
        for text in _split(line, (">", "->")) if line.strip() else []:
            head, bracket, inside = _bracket(text)
            before = dict(scope.nodes)
            node = self.node(head, scope, bracket == "{")
            for end in ends:
                flow = scope.connect(end, node, self.condition(condition))
                if condition == "else":
                    end.default = flow.id
            condition = None
            ends = [node]
            if bracket == "{":
                node.content = _Scope(prefix=f"{node.id}_")
                self.read(inside, node.content)
            elif bracket == "[":
                before[node.id] = node
                ends = self.branches(node, inside, scope, before)
        return ends

    def branches(self, gateway: _Node, inside: str, scope: _Scope, before: dict[str, _Node]) -> list[_Node]:
        ends: dict[str, _Node] = {}
        for branch in _split(inside, ("|",)):
            condition, line = None, branch
            if gateway.tag in _CONDITIONAL or (
                self.dialect == "activiti" and branch.strip().startswith(("${", "else ->"))
            ):
                first, *rest = _split(branch, ("->",))
                if not rest:
                    raise ValueError(
                        f"Expected 'condition -> elements' in a branch of '{gateway.id}', but found '{branch.strip()}'"
                    )
                condition, line = first.strip(), " -> ".join(rest)
            for end in self.read(line, scope, [gateway], condition):
                if end.tag != "endEvent" and end.id not in before:
                    ends[end.id] = end
        return list(ends.values())

    def node(self, text: str, scope: _Scope, is_scope: bool) -> _Node:
        match = _ELEMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"Expected 'id:kind(arguments)', but found '{text.strip()}'")
        id, kind, arguments = match[1], match[2] or "", match[3] or ""
        if scope.prefix and id in ("start", "end"):
            kind, id = kind or id, scope.prefix + id
        if id in scope.nodes and not kind:
            return scope.nodes[id]
        if id in scope.nodes:
            raise ValueError(f"Expected '{id}' to be described once, but found '{text.strip()}'")
        kind = kind or ("sub" if is_scope else next((kind for kind in ("start", "end") if id.startswith(kind)), "task"))
        node = _Node(id, _TAGS.get(kind, kind), _arguments(arguments), dialect=self.dialect, kind=kind)
        scope.nodes[id] = node
        return node

    def condition(self, text: str | None) -> str:
        if text is None or text == "else":
            return ""
        if self.dialect == "activiti":
            return text if "{" in text else f"${{{text}}}"
        return text if text.startswith("=") else f"={text}"


def _split(text: str, separators: tuple[str, ...]) -> list[str]:
    """Split where a separator stands outside of brackets and quotes. `>=` separates nothing."""
    parts, start, index, open, quote = [], 0, 0, [], ""
    longest_first = sorted(separators, key=len, reverse=True)
    while index < len(text):
        character = text[index]
        found = next((one for one in longest_first if text.startswith(one, index)), "")
        if quote:
            quote = "" if character == quote else quote
        elif character == '"':
            quote = character
        elif character in _CLOSING:
            open.append(_CLOSING[character])
        elif open and character == open[-1]:
            open.pop()
        elif not open and found and not text.startswith(">=", index):
            parts.append(text[start:index])
            index += len(found)
            start = index
            continue
        index += 1
    if open or quote:
        raise ValueError(f"Expected '{quote or open[-1]}' in '{text.strip()}', but found its end")
    return [*parts, text[start:]]


def _bracket(text: str) -> tuple[str, str, str]:
    """What stands before `[…]` or `{…}` at the end of *text*, the kind of bracket, and what is in it."""
    text = text.strip()
    if text.endswith(("]", "}")):
        bracket = "[" if text.endswith("]") else "{"
        depth = 0
        for index, character in enumerate(text):
            depth += (character == "(") - (character == ")")
            if character == bracket and depth == 0:
                return text[:index], bracket, text[index + 1 : -1]
    return text, "", ""


def _arguments(text: str) -> dict[str, str]:
    arguments = {}
    for part in _split(text, (",",)) if text.strip() else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"Expected 'argument=value', but found '{part.strip()}'")
        arguments[key.strip()] = value.strip().strip('"')
    return arguments


def _zeebe(node: _Node) -> str:
    given = node.arguments
    found = [_tag("zeebe:" + tag, attributes) for tag, attributes in _zeebe_definitions(node) if attributes]
    headers = _pairs(given, "header.", "zeebe:header", "value", "key")
    if headers:
        found.append(f"<zeebe:taskHeaders>{headers}</zeebe:taskHeaders>")
    mappings = _pairs(given, "in.", "zeebe:input", "source", "target") + _pairs(
        given, "out.", "zeebe:output", "source", "target"
    )
    if given.get("native"):
        found.append("<zeebe:userTask/>")
    listeners = "".join(
        _tag("zeebe:taskListener", {"eventType": event, "type": type, "retries": "1"})
        for event in TASK_EVENTS
        for type in given.get(event, "").split()
    )
    if listeners:
        found.append(f"<zeebe:taskListeners>{listeners}</zeebe:taskListeners>")
    if mappings:
        found.append(f"<zeebe:ioMapping>{mappings}</zeebe:ioMapping>")
    found += events.extensions(node.tag, given)
    return "".join(found)


def _zeebe_definitions(node: _Node) -> Iterator[tuple[str, dict[str, str]]]:
    given = node.arguments
    if node.tag == "userTask":
        yield (
            "assignmentDefinition",
            _taken(given, assignee="assignee", groups="candidateGroups", users="candidateUsers"),
        )
        yield "taskSchedule", _taken(given, due="dueDate", follow_up="followUpDate")
        yield "formDefinition", _taken(given, form="formKey", form_id="formId", reference="externalReference")
        yield "priorityDefinition", _taken(given, priority="priority")
    elif node.tag == "serviceTask" and "job_priority" in given:
        yield "taskDefinition", {"type": node.id} | _taken(given, type="type", retries="retries")
        yield "jobPriorityDefinition", _taken(given, job_priority="priority")
    elif node.tag in ("serviceTask", "sendTask") and "publish" not in given:
        yield "taskDefinition", {"type": node.id} | _taken(given, type="type", retries="retries")
    elif node.tag in ("scriptTask", "businessRuleTask", "intermediateThrowEvent", "endEvent", "adHocSubProcess"):
        yield "taskDefinition", _taken(given, type="type", retries="retries")
        yield "script", _taken(given, expression="expression", result="resultVariable") if "expression" in given else {}
        yield (
            "calledDecision",
            _taken(given, decision="decisionId", result="resultVariable") if "decision" in given else {},
        )


def _activiti(node: _Node) -> dict[str, str]:
    if node.tag in ("serviceTask", "sendTask"):
        taken = _taken(node.arguments, skip="activiti:skipExpression")
        return {"implementation": node.arguments.get("type", node.id), **taken}
    names = {
        "category": "category",
        "skip": "skipExpression",
        "initiator": "initiator",
        "assignee": "assignee",
        "groups": "candidateGroups",
        "users": "candidateUsers",
        "due": "dueDate",
        "form": "formKey",
        "priority": "priority",
        "inherit": "inheritVariables",
        "business": "businessKey",
        "inherit_business": "inheritBusinessKey",
    }
    return {f"activiti:{key}": value for key, value in _taken(node.arguments, **names).items()}


def _activiti_extensions(node: _Node) -> str:
    """What a call activity passes in and out, and the fields of a form."""
    found = [_tag("activiti:formProperty", {"id": one}) for one in node.arguments.get("fields", "").split()]
    for argument, source in node.arguments.items() if node.tag == "callActivity" else ():
        way, dot, target = argument.partition(".")
        if dot and way in ("in", "out"):
            kind = "sourceExpression" if "${" in source else "source"
            found.append(_tag(f"activiti:{way}", {kind: source, "target": target}))
    return "".join(found)


def _taken(given: dict[str, str], **names: str) -> dict[str, str]:
    return {attribute: given[argument] for argument, attribute in names.items() if argument in given}


def _pairs(given: dict[str, str], prefix: str, tag: str, value: str, key: str) -> str:
    found = {argument.removeprefix(prefix): text for argument, text in given.items() if argument.startswith(prefix)}
    return "".join(_tag(tag, {value: text, key: name}) for name, text in found.items())


def _tag(tag: str, attributes: dict[str, str]) -> str:
    return f"<{tag}{''.join(f' {key}={quoteattr(text)}' for key, text in attributes.items())}/>"
