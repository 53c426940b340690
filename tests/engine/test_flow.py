"""Tokens: sequence flows, gateways, subprocesses, and where they stop (bpmn-execution.md, sections 3, 4, 7)."""

import pytest

from osmia_broker.engine import Turn, commands, execute
from osmia_broker.engine.resources import compile_resources
from osmia_broker.state.state import State
from tests.bpmn import bpmn
from tests.conftest import Play

PICK = "deploy start > ask:job > pick:exclusive [amount > 100 -> big:job > e1:end | amount > 10 -> mid:job > e2:end | else -> small:job > e3:end]; "


def test_a_process_without_a_wait_state_completes_at_once(play: Play):
    play("deploy start > end; create a=1; completed")


def test_elements_follow_one_another(play: Play):
    play(
        "deploy start > a:job > b:user > c:job > end; create; complete a; none a; waits b; complete b; complete c; completed"
    )


@pytest.mark.parametrize(("amount", "taken"), [(101, "big"), (100, "mid"), (10, "small"), (-1, "small")])
def test_an_exclusive_gateway_takes_one_flow(play: Play, amount: int, taken: str):
    play(PICK + f"create; complete ask amount={amount}; waits {taken}; complete {taken}; completed")


@pytest.mark.parametrize("amount", ['"text"', "null", "[1]", "true"])
def test_a_condition_that_is_no_boolean_is_an_incident_beside_a_default(play: Play, amount: str):
    play(PICK + f"create; complete ask amount={amount}; incident pick EXTRACT_VALUE_ERROR 'BOOLEAN'; running")


def test_a_missing_variable_is_told_in_the_incident(play: Play):
    play(PICK + "create; complete ask; incident pick EXTRACT_VALUE_ERROR No variable found with name 'amount'")


def test_a_repaired_condition_lets_the_token_go_on(play: Play):
    play(PICK + "create; complete ask; set amount=7; resolve pick; waits small; complete small; completed")


def test_resolving_without_a_repair_raises_the_incident_anew(play: Play):
    scenario = play(PICK + "create; complete ask; resolve pick; incident pick EXTRACT_VALUE_ERROR")
    (anew,) = scenario.door.incidents(scenario.instance)
    assert anew.key > scenario.resolved["pick"]


def test_no_flow_to_take_is_a_condition_error(play: Play):
    play("""
        deploy    start > ask:job > pick:exclusive [n = 1 -> one:end | n = 2 -> two:end]
        create
        complete  ask n=3
        incident  pick CONDITION_ERROR Expected at least one condition to evaluate to true, or to have a default flow
        set       n=2
        resolve   pick
        completed
    """)


def test_a_parallel_gateway_waits_for_every_flow(play: Play):
    play("""
        deploy    start > fork:parallel [a:job > join:parallel | b:job > join] > last:job > end
        create
        complete  b
        none      last
        complete  a
        waits     last
        complete  last
        completed
    """)


def test_two_tokens_over_one_flow_do_not_open_a_join(play: Play):
    play("""
        deploy    start > fork:parallel [a:job > merge:task > join:parallel > end | b:job > merge | c:job > join]
        create
        complete  a
        complete  b
        running
        complete  c
        running
        set       seen=1
        cancel
        completed
    """)


def test_a_subprocess_ends_with_its_last_token(play: Play):
    play("""
        deploy    start > dine:sub { start > fork:parallel [cook:job > e1:end | lay:job > e2:end] } > wash:job > end
        create
        complete  cook
        none      wash
        complete  lay
        waits     wash
        complete  wash
        completed
    """)


def test_an_instance_is_cancelled_with_everything_in_it(play: Play):
    scenario = play("""
        deploy    start > dine:sub { start > fork:parallel [cook:job > e1:end | lay:job > e2:end] } > end
        create
        fail      lay retries=0
        cancel
        completed
    """)
    assert scenario.door.jobs(scenario.instance) == []
    assert scenario.door.incidents(scenario.instance) == []


def test_a_task_with_two_flows_forks(play: Play):
    play("deploy start > a:job > b:job > end; create; complete a; waits b; complete b; completed")


def test_an_endless_walk_stops_at_an_incident_and_can_be_cancelled(play: Play):
    play("""
        deploy    start > again:exclusive [stop = true -> end | else -> think:script(expression="=1", result=x) > again]
        create    stop=false
        running
        cancel
        completed
    """)


@pytest.mark.parametrize("kind", ["task", "manual"])
def test_a_task_of_no_kind_passes_with_its_mappings(play: Play, kind: str):
    play(f'deploy start > note:{kind}(out.seen="=n + 1") > ask:job > end; create n=1; waits ask; variables n=1 seen=2')


def test_a_send_task_is_a_job(play: Play):
    play("deploy start > tell:send(type=mail) > end; create; waits tell type=mail; complete tell; completed")


def test_no_step_ends_in_a_defect(play: Play):
    """A token that stopped for a reason of ours would look like one that waits."""
    scenario = play("""
        deploy start > fork:parallel [a:job > merge:task > join:parallel > end | b:job > merge | c:job > join]
        create; complete a; complete b; complete c
    """)
    assert scenario.door.incidents(scenario.instance) == []


def test_a_step_that_fails_is_undone_whole_and_repeated_whole(play: Play):
    """The type fails after the element was activated and its first mapping written: none of it may stay."""
    play("""
        deploy    start > a:job(type="=kind", in.x="=1", retries="=tries") > end
        create    kind=1 tries=2
        none      a
        incident  a EXTRACT_VALUE_ERROR Expected result of the expression 'kind' to be 'STRING', but was 'NUMBER'.
        set       a x=5
        variables kind=1 tries=2 x=5
        set       kind="work" tries="two"
        resolve   a
        incident  a EXTRACT_VALUE_ERROR 'NUMBER', but was 'STRING'
        set       tries=7
        resolve   a
        waits     a type=work retries=7
    """)


def test_the_tokens_of_a_fork_take_their_steps_in_turn():
    turn = Turn(State())
    model = bpmn("start > fork:parallel [a:task > a1:job(type=t) > e1:end | b:job(type=t) > e2:end]")
    execute(turn, commands.DeployResources(compile_resources([("p.bpmn", model)])), 1)
    created = execute(turn, commands.CreateProcessInstance("process", -1, 0, {}), 2)
    jobs = turn.jobs.of_instance(created.process_instance_key)
    assert [job.element_id for job in jobs] == ["b", "a1"], (
        "the token at a waits for its second step until b had its first"
    )
