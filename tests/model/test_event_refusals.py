"""Events, loops, calls and listeners at deployment: each rule of the contract (bpmn-execution.md, section 11) refused, and beside it what is allowed."""

import pytest
from bpmn_fragments import definitions, faults, read

from bpmn import bpmn
from osmia_broker.model.events import SignalEvent
from osmia_broker.model.expressions import Static

SUB = "start > s:sub { start > a:user > end } > end & "
FROM_B = " > after:end"


@pytest.mark.parametrize(
    ("line", "id", "reason"),
    [
        # timers
        ("start > c:catch(timer=soon) > end", "c", "Invalid timer timeDuration expression"),
        ("start > c:catch(date=2030-01-31) > end", "c", "Invalid timer timeDate expression"),
        ("start > c:catch(cycle=R3/PT1S) > end", "c", "A timer cycle is only supported at"),
        (f"start > a:user > end & b:boundary(on=a, cycle=R3/PT1S){FROM_B}", "b", "A timer cycle is only supported at"),
        ("t:start(cycle=R/often) > end", "t", "Invalid timer timeCycle expression"),
        ("t:start(timer==x) > end", "t", "to use no variables, but found 'x'"),
        ("start > c:catch(timer=PT1S, signal=s) > end", "c", "one event definition, but found 2"),
        ("start > c:catch > end", "c", "one event definition, but found none"),
        # messages
        ("start > c:catch(message=m) > end", "c_message", "Must have exactly one 'zeebe:subscription'"),
        ('start > c:catch(message=m, key="id") > end', "c_message", "Expected expression but found static value 'id'"),
        ('start > c:catch(message="", key="=id") > end', "c_message", "Attribute 'name' must be present and not empty"),
        ("t:start(message==x) > end", "t_message", "to use no variables, but found 'x'"),
        ("t:start(message=m) > end & u:start(message=m) > v:end", "process", "the same message name 'm'"),
        (
            f'start > a:user > end & b:boundary(on=a, message=m, key="=k"){FROM_B} & c:boundary(on=a, message=m, key="=k") > x:end',
            "a",
            "the same message name 'm'",
        ),
        (
            f'start > a:receive(message=m, key="=k") > end & b:boundary(on=a, message=m, key="=k"){FROM_B}',
            "a",
            "the same message name 'm'",
        ),
        ("start > t:throw(message=m) > end", "t", "Must have exactly one 'zeebe:taskDefinition'"),
        # boundary events
        ("start > a:user > end & b:boundary(on=a, timer=PT1S)", "b", "Must have at least one outgoing sequence flow"),
        (f"start > a:user > b > end & b:boundary(on=a, timer=PT1S){FROM_B}", "", ""),
        (f"start > a:exclusive > end & b:boundary(on=a, timer=PT1S){FROM_B}", "b", "Must be attached to an activity"),
        (
            f"start > a:user > end & b:boundary(on=a, terminate=yes){FROM_B}",
            "b",
            "is not supported at a boundary event",
        ),
        (f"start > a:user > end & b:boundary(on=a, error=e, cancel=false){FROM_B}", "b", "Non-interrupting boundary"),
        (
            f"start > a:user > end & b:boundary(on=a, error=e){FROM_B} & c:boundary(on=a, error=e) > x:end",
            "c",
            "the same error code 'e'",
        ),
        (
            f"start > a:user > end & b:boundary(on=a, error=any){FROM_B} & c:boundary(on=a, error=any) > x:end",
            "c",
            "no code, which catches all",
        ),
        (
            f"start > a:user > end & b:boundary(on=a, escalation=e){FROM_B}",
            "b",
            "should only be attached to a subprocess",
        ),
        (f"{SUB}b:boundary(on=s, cancelled=yes){FROM_B}", "b", "must be attached to a transaction"),
        (f"start > a:user > end & b:boundary(on=a, error==e){FROM_B}", "b_error", "to be a static value"),
        # errors, escalations, links, compensation, cancel
        ("start > end:end(error=any)", "end", "Must reference an error"),
        ('start > end:end(error="")', "end_error", "Attribute 'errorCode' must be present and not empty"),
        ("start > t:throw(error=e) > end", "t", "is not supported at an intermediate throw event"),
        ("start > t:throw(link=x)", "t", "Can't find a catch link event"),
        ("start > t:throw(link=x) & c:catch(link=x) > end & d:catch(link=x) > e:end", "d", "with the same name 'x'"),
        ("start > t:throw(compensate=nobody) > end", "t", "compensation activity 'nobody' doesn't exist"),
        (f"{SUB}x:start > t:throw(compensate=a) > y:end", "t", "compensation activity 'a' doesn't exist"),
        ("start > a:user > end & b:boundary(on=a, compensate=any)", "b", "exactly one association to its handler"),
        (
            "start > a:user > end & b:boundary(on=a, compensate=any, handler=h) & h:job > more:end",
            "b",
            "to have isForCompensation",
        ),
        ("start > end:end(cancelled=yes)", "end", "must stand directly in a transaction"),
        # event-based gateways
        ("start > g:events > c:catch(timer=PT1S) > end", "g", "at least 2 outgoing sequence flows, but found 1"),
        ("start > g:events [c:catch(timer=PT1S) > end | d:user > e:end]", "g", "but found 'd'"),
        ("start > g:events [c:catch(signal=s) > end | d:catch(signal=s) > e:end]", "g", "the same signal name 's'"),
        (
            "start > g:events [c | d:catch(timer=PT1S) > e:end] & x:start(signal=y) > c:catch(signal=s) > end",
            "c",
            "any additional incoming",
        ),
        # subprocesses
        ("start > a:user > end & v:eventsub { start > e:end }", "v_start", "have one event definition, but found none"),
        ("start > a:user > end & v:eventsub { a2:user > e:end }", "v", "exactly one start event, but found 0"),
        (
            "start > a:user > end & v:eventsub { g:start(error=e, interrupting=false) > f:end }",
            "g",
            "Non-interrupting start events of the type 'error'",
        ),
        (
            "start > s:sub { g:start(timer=PT1S) > f:end } > end",
            "g",
            "is not supported at the start event of an embedded",
        ),
        ("start > s:adhoc { begin:start > a:user } > end", "begin", "Must not be used inside an ad-hoc subprocess"),
        # calls, loops, listeners
        ("start > c:call > end", "c", "Attribute 'processId' must be present and not empty"),
        ("start > c:call(process=p, binding=versionTag) > end", "c", "Attribute 'versionTag' must be present"),
        ("start > c:call(process=p, binding=newest) > end", "c", "Expected a binding type of latest, deployment"),
        ('start > a:user(items="xs") > end', "a", "Expected expression but found static value 'xs'"),
        ("start > a:user(cardinality=3, done=late, items==xs) > end", "a", "found static value 'late'"),
        ("start > a:user(cardinality=3) > end", "a", "Must have exactly one 'zeebe:loopCharacteristics'"),
        ("start > a:user(items==xs, results=ys) > end", "a", "to be given both or not at all"),
        ("start > a:user(repeat==x, times=few) > end", "a", "'loopMaximum' to be a whole number, but found 'few'"),
        (f"start > a:user(repeat==x, times={'9' * 5_000}) > end", "a", "'loopMaximum' to be a whole number"),
        *(
            (
                f"start > a:user > end & x:eventsub {{ s1:start({by}) > e1:end }} & y:eventsub {{ s2:start({by}) > e2:end }}",
                at,
                reason,
            )
            for by, at, reason in [
                (
                    'message=m, key="=1"',
                    "process",
                    "Multiple event definitions with the same message name 'm' are not allowed",
                ),
                ("signal=s, interrupting=false", "process", "Multiple event definitions with the same signal name 's'"),
                ("error=E", "s2", "Multiple event subprocesses in one scope with the same error code 'E'"),
                ("escalation=any", "s2", "Multiple event subprocesses in one scope with the same escalation no code"),
            ]
        ),
        ("start > a:user(on_end=x x) > end".replace("x x", '"x x"'), "a", "duplicate execution listener"),
        ("start:start(on_start=x) > end", "start", "of type 'start' are not supported by start events"),
        ("start > g:exclusive(on_end=x) > end", "g", "of type 'end' are not supported by gateways"),
        ("start > end:end(error=e, on_end=x)", "end", "of type 'end' are not supported by gateways, error end events"),
        ("start > a:user(on_all=x) > end", "a", "only supported by multi-instance activities"),
        ("start > g:complexGateway > end", "g", "Elements of type 'complexGateway' are currently not supported"),
    ],
)
def test_an_element_that_cannot_run_is_refused(line: str, id: str, reason: str) -> None:
    found = faults(bpmn(line))
    id = id or "b"
    assert any(fault.element_id == id and reason in fault.reason for fault in found), found


@pytest.mark.parametrize(
    "line",
    [
        "t:start(cycle=R3/PT1S) > end",
        't:start(cycle="0 0 9 * * MON-FRI") > end',
        "start > c:catch(timer==x) > end",
        f"start > a:user > end & b:boundary(on=a, cycle=R3/PT1S, cancel=false){FROM_B}",
        f"start > a:user > end & b:boundary(on=a, error=e){FROM_B} & c:boundary(on=a, error=any) > x:end",
        f"{SUB}b:boundary(on=s, escalation=e, cancel=false){FROM_B}",
        "start > s:transaction { start > end2:end(cancelled=yes) } > end & b:boundary(on=s, cancelled=yes) > x:end",
        "start > a:user > end & b:boundary(on=a, compensate=any, handler=h) & h:job(compensates=yes)",
        "start > a:user > t:throw(compensate=a) > end",
        "start > g:events [c:catch(signal=s) > end | d:catch(timer=PT1S) > e:end | f:catch(condition==x) > h:end]",
        "start > t:throw(link=x) & c:catch(link=x) > end",
        'start > t:throw(message=m, publish="=k") > end',
        "start > a:user > end & v:eventsub { g:start(error=any) > f:end }",
        "t:start(condition==x) > end & u:start(signal=s) > v:end & w:start > x:end",
        "start > s:adhoc(active==xs, done==y) { a:user & b:job } > end",
        "start > c:call(process==p, binding=versionTag, tag=v1, child=false) > end",
        "start > a:user(items==xs, item=x, results=ys, result==y, sequential=true, done==z, on_all=l) > end",
        "start > a:user(repeat==x, times=3) > end",
        "start > end:end(terminate=yes)",
    ],
)
def test_an_element_that_can_run_is_accepted(line: str) -> None:
    assert faults(bpmn(line)) == []


SHARED_SIGNAL = '<bpmn:signal id="s" name="go"/><bpmn:signalEventDefinition id="on_go" signalRef="s"/>'


def start_with(reference: str, shared: str = SHARED_SIGNAL) -> bytes:
    inside = f'<bpmn:startEvent id="f"><bpmn:eventDefinitionRef>{reference}</bpmn:eventDefinitionRef></bpmn:startEvent>'
    return definitions(f'{shared}<bpmn:process id="p" isExecutable="true">{inside}</bpmn:process>')


def test_an_event_may_refer_to_a_definition_beside_the_processes() -> None:
    start = read(start_with("on_go")).elements["f"]
    assert isinstance(start.event, SignalEvent)
    assert start.event.name == Static("go")


@pytest.mark.parametrize("reference", ["", "nothing", "s"])
def test_a_reference_to_no_event_definition_is_refused(reference: str) -> None:
    [fault, *_] = faults(start_with(reference))
    assert fault.reason.startswith("Expected 'eventDefinitionRef' to name an event definition of this file, but found")


@pytest.mark.parametrize("reference", ["", " "])
def test_an_empty_reference_does_not_take_a_definition_without_id(reference: str) -> None:
    [fault] = faults(start_with(reference, SHARED_SIGNAL.replace(' id="on_go"', "")))
    assert fault.reason == "Expected 'eventDefinitionRef' to name an event definition of this file, but found none"


@pytest.mark.parametrize("flows", ["", " & h > end"])
def test_a_handler_is_one_by_its_association_if_it_has_no_flows(flows: str) -> None:
    line = f"start > a:user > end & b:boundary(on=a, compensate=any, handler=h) & h:job{flows}"
    found = [fault.reason for fault in faults(bpmn(line))]
    assert any("to have isForCompensation" in reason for reason in found) == bool(flows)
    assert bool(found) == bool(flows)


def test_an_event_that_is_no_activity_is_no_handler() -> None:
    [*_, fault] = faults(bpmn("start > a:user > end & b:boundary(on=a, compensate=any, handler=x) & x:throw"))
    assert "to have isForCompensation" in fault.reason


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("f:start(error=e) > end", "caught by a boundary event, or by the start event of an event subprocess"),
        ("f:start(escalation=e) > end", "caught by a boundary event, or by the start event of an event subprocess"),
        ('start > a:task(repeat="until it is approved") > end', "Remove the loop if this is only a note"),
    ],
)
def test_a_refusal_says_what_to_do(line: str, remedy: str) -> None:
    assert any(remedy in fault.reason for fault in faults(bpmn(line)))
