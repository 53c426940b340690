"""Modifications: elements activated by hand, element instances terminated, tokens moved (bpmn-execution.md, section 10)."""

from collections.abc import Callable

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.lifecycle import scopes
from osmia_broker.state.rows import ElementInstance
from tests.harness import Scenario
from tests.partition.opened import create, deploy, opened

Play = Callable[..., Scenario]
TWO = "deploy start > a:job > b:job > end; create"
NESTED = 'deploy start > a:job > s:sub(in.y="=x") { start > b:job > end } > c:job > end; create x=1'


def test_an_element_is_activated_beside_the_others(play: Play):
    play(f"{TWO}; modify +b; at a b; complete b; at a; complete a; at b; complete b; completed")


def test_an_activated_element_gets_the_scopes_around_it_with_their_input_mappings(play: Play):
    play(f"{NESTED}; modify +b -a; at b s; activate b; sees x=1 y=1; complete b; at c")


def test_a_running_scope_is_used_again(play: Play):
    play(f"{NESTED}; complete a; at b s; modify +b; at b b s")


def test_the_last_terminated_element_ends_the_instance(play: Play):
    play(f"{TWO}; modify -a; completed")
    play(f"{NESTED}; complete a; modify -b; completed")


def test_tokens_are_moved(play: Play):
    play(f"{TWO}; modify a>b; at b; complete b; completed")
    play(f"{NESTED}; modify a>b; at b s")


def test_a_terminated_token_lets_a_join_go_on_that_waited_for_it(play: Play):
    play("""
        deploy   start > i:inclusive [ true -> a:job > j:inclusive | true -> b:job > j ] > c:job > end
        create
        complete a
        modify   -b
        at       c
    """)


def test_a_join_that_misses_a_token_keeps_the_instance(play: Play):
    play("deploy start > f:parallel [ a:job > j:parallel | b:job > j ] > end; create; complete a; modify -b; running")


def test_variables_go_to_the_scope_that_is_named(play: Play):
    play(
        f"{NESTED}; modify +b -a b.own=1 s.inner=2 outer=3; activate b; sees x=1 y=1 own=1 inner=2 outer=3; variables x=1 outer=3"
    )


def test_elements_activated_together_share_the_scopes_that_are_opened_for_them(play: Play):
    play("""
        deploy   start > a:job > s:sub { start > b:job > c:job > end } > end
        create
        modify   +b +c -a
        at       b c s
        complete c
        complete b
        at       c s
        complete c
        completed
    """)


def test_each_new_scope_around_the_same_outer_one_is_opened_once(play: Play):
    play("""
        deploy   start > a:job > s:sub { start > t:sub { start > b:job > end } > u:sub { start > c:job > end } > end } > end
        create
        modify   +b +c -a
        at       b c s t u
    """)


def test_an_empty_modification_changes_nothing(play: Play):
    play(f"{TWO}; modify; at a")


def test_a_multi_instance_is_activated_as_a_whole(play: Play):
    play('deploy start > a:job > m:job(items="=[1,2]") > end; create; modify a>m; at m m m')


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("modify +nothing", "INVALID_ARGUMENT"),
        ("modify +process", "INVALID_ARGUMENT"),
        ("modify +start", "INVALID_ARGUMENT"),
        ("modify +b b.x=1 nothing.x=1", "INVALID_ARGUMENT"),
        ("modify +b a.x=1", "INVALID_ARGUMENT"),  # no scope of b
        ("modify -1", "INVALID_ARGUMENT"),
        ("modify +b -1", "INVALID_ARGUMENT"),  # nothing of it is done
        ("modify nothing>b", "INVALID_ARGUMENT"),
        ("modify a>nothing", "INVALID_ARGUMENT"),
        ("complete a; complete b; modify +b", "NOT_FOUND"),
    ],
)
def test_modifications_that_are_refused_change_nothing(play: Play, line: str, refusal: str):
    play(f"{TWO}; {line}", refused=refusal)


def test_an_element_in_one_of_several_scopes_needs_an_ancestor(play: Play):
    play(
        'deploy start > s:sub(items="=[1,2]") { start > a:job > b:job > end } > end; create; modify +b',
        refused="INVALID_ARGUMENT",
    )


def test_an_element_inside_a_multi_instance_that_does_not_run_is_refused(play: Play):
    play(
        'deploy start > x:job > s:sub(items="=[1,2]") { start > a:job > end } > end; create; modify +a',
        refused="INVALID_ARGUMENT",
    )


def test_an_event_behind_a_gateway_is_refused(play: Play):
    play(
        "deploy start > x:job > g:events [ t:catch(timer=PT1S) > end | u:catch(timer=PT2S) > e2:end ]; create; modify +t",
        refused="INVALID_ARGUMENT",
    )


# --- event subprocesses, ad-hoc subprocesses, loops


HELP = (
    'deploy start > a:job > end & help:eventsub { go:start(message=help, key="=x") > b:job > c:job > end3 }; create x=1'
)
AD_HOC = 'deploy start > a:job > h:adhoc(active="=ids") { b:job > c:job & d:job } > e:job > end; create ids=["b"]'
DECIDED = "deploy start > a:job > h:adhoc(type=decide) { b:job > c:job & d:job } > e:job > end; create"
EACH = 'deploy start > m:sub(items="=[1,2]") { start > a:job > b:job > end } > c:job > end; create'


def test_an_event_subprocess_is_entered_without_its_event(play: Play):
    play(f"{HELP}; modify +c; at a c help; complete a; complete c; completed")
    play(f"{HELP}; modify +help; at a b help")


def test_an_element_of_an_ad_hoc_subprocess_is_activated_beside_the_others(play: Play):
    play(f"{AD_HOC}; complete a; modify +d; at b d h h h; complete d; at b h h; complete b; complete c; at e")


def test_an_ad_hoc_subprocess_that_is_opened_for_an_element_activates_no_other(play: Play):
    play(f"{AD_HOC}; modify a>c; at c h h; complete c; at e")


def test_the_last_terminated_element_ends_an_ad_hoc_subprocess(play: Play):
    play(f"{AD_HOC}; complete a; modify -b; completed")


def test_an_ad_hoc_subprocess_with_a_worker_asks_it_again(play: Play):
    play(f"{DECIDED}; complete a; modify +d; at d h h; modify -d; at h; waits h type=decide")


def test_a_scope_in_an_ad_hoc_subprocess_is_used_again(play: Play):
    play("""
        deploy   start > h:adhoc(active="=ids") { s:sub { start > b:job > c:job > end } } > end
        create   ids=["s"]
        modify   +c
        at       b c h h s
    """)


def test_all_instances_of_an_ad_hoc_subprocess_are_moved_once(play: Play):
    play(f"{AD_HOC}; complete a; modify h>e; at e; complete e; completed")


def keys(scenario: Scenario, element_id: str) -> list[int]:
    return [key for key, id in scenario.door.elements(scenario.instance) if id == element_id]


def test_an_instance_of_a_loop_is_terminated(play: Play):
    scenario = play(EACH)
    scenario.play(f"modify -{keys(scenario, 'a')[0]}; at a m m; complete a; complete b; at c")


def test_a_loop_of_which_every_instance_is_terminated_ends(play: Play):
    play(f"{EACH}; modify -a; completed")


def test_a_terminated_instance_of_a_sequential_loop_lets_the_next_one_begin(play: Play):
    scenario = play('deploy start > m:job(items="=[1,2]", sequential=true, in.n="=loopCounter") > end; create')
    [_, running] = keys(scenario, "m")
    scenario.play(f"modify -{running}; activate m; sees loopCounter=2 n=2")


def test_terminated_instances_count_for_the_completion_condition(play: Play):
    done = "=numberOfTerminatedInstances = 1 and numberOfActiveInstances = 1"
    scenario = play(f'deploy start > m:job(items="=[1,2,3]", done="{done}") > c:job > end; create')
    scenario.play(f"modify -{keys(scenario, 'm')[1]}; complete m; at c")


def test_an_instance_that_ends_with_the_last_that_lived_in_it_counts_as_terminated(play: Play):
    done = "=numberOfTerminatedInstances = 1 and numberOfActiveInstances = 1"
    model = f'start > m:sub(items="=[1,2,3]", done="{done}") {{ start > a:job > end }} > c:job > end'
    scenario = play(f"deploy {model}; create")
    scenario.play(f"modify -{keys(scenario, 'a')[0]}; complete a; at c")


def test_a_terminated_instance_counts_for_the_maximum_of_a_standard_loop(play: Play):
    scenario = play('deploy start > m:job(repeat="=true", times=2) > c:job > end; create')
    scenario.play(f"modify -{keys(scenario, 'm')[-1]}; at m m")
    scenario.play(f"modify -{keys(scenario, 'm')[-1]}; at c")


def test_after_a_terminated_instance_a_standard_loop_asks_its_condition(play: Play):
    scenario = play('deploy start > m:job(repeat="=n < 3") > c:job > end; create n=1')
    scenario.play(f"modify -{keys(scenario, 'm')[-1]}; at m m; complete m n=2; at m m; set n=3")
    scenario.play(f"modify -{keys(scenario, 'm')[-1]}; at c")


def test_a_standard_loop_whose_condition_fails_after_a_terminated_instance_waits(play: Play):
    scenario = play('deploy start > m:job(repeat="=n < 3") > c:job > end; create n=text')
    scenario.play(f"modify -{keys(scenario, 'm')[-1]}; incident process EXTRACT_VALUE_ERROR; set n=2")
    scenario.play("resolve process; at m m; complete m n=3; at c")


def test_an_element_is_activated_in_the_instance_of_a_loop_that_is_chosen(play: Play):
    scenario = play(EACH)
    inner = keys(scenario, "m")[1:]
    scenario.play(f"modify +b@{inner[1]}; at a a b m m m; activate b; sees loopCounter=2")


@pytest.mark.parametrize("which", ["the body", "another element", "nothing", "another instance", "an ended element"])
def test_an_ancestor_that_is_no_open_scope_of_the_element_is_refused(play: Play, which: str):
    other = play(EACH).instance
    scenario = play(f"{EACH}; complete a")
    key = {
        "the body": keys(scenario, "m")[0],
        "another element": keys(scenario, "a")[0],
        "nothing": 1 << 51,
        "another instance": other,
        "an ended element": keys(scenario, "b")[0],
    }[which]
    if which == "an ended element":
        scenario.play("complete b")
    with pytest.raises(AssertionError, match=r"INVALID_ARGUMENT.* ancestor scope key"):
        scenario.play(f"modify +b@{key}")


@pytest.mark.parametrize("line", ["modify process>b", "modify +a_to_b", "modify +", "modify -nothing"])
def test_what_cannot_be_moved_activated_or_terminated(play: Play, line: str):
    play(f"{TWO}; {line}", refused="INVALID_ARGUMENT")


# --- called instances


CALLED = """
    deploy   called_by_one:: start > w:job > v:job > end
    deploy   start > c:call(process=called_by_one) > a:job > end
    create
    instance called_by_one
"""


def test_a_called_instance_is_modified_and_returns(play: Play):
    play(f"{CALLED}; modify w>v; complete v; instance; at a")


@pytest.mark.parametrize("line", ["modify -w", "modify -w -w", "modify -called_by_one"])
def test_a_called_instance_is_not_ended_by_a_modification(play: Play, line: str):
    play(f"{CALLED}; {line}", refused="INVALID_ARGUMENT")


def test_a_call_activity_is_terminated_with_the_instance_that_it_has_called(play: Play):
    called = CALLED.replace("by_one", "by_two")  # all tests share the broker behind the gRPC door
    play(f"{called}; instance; modify c>a; instances called_by_two 0; at a")


# --- large scopes


async def test_a_large_scope_that_is_terminated_ends_the_instance_in_slices(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scopes, "TERMINATED_AT_ONCE", 2)
    monkeypatch.setattr(scopes, "TERMINATED_PER_SLICE", 3)
    for size in range(1, 8):
        async with opened() as it:
            await it.do(
                deploy(f'start > s:sub {{ start > m:job(items="=for i in 1..{size} return i") > end }} > b:job > end')
            )
            key = (await it.do(create())).process_instance_key
            await it.do(commands.ModifyProcessInstance(key, (), (commands.TerminateInstruction(0, "s"),)))
            await it.settled()
            assert it.store.living(ElementInstance) == []
            assert it.store.row(ElementInstance, key).state == "TERMINATED"
