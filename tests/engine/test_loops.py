"""Activities with a loop (bpmn-execution.md, section 7)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]
MANY = 'start > m:job(items="=xs", item=x, results=rs, result="=x * 10"{more}) > after:job > end'


def many(more: str = "") -> str:
    return "deploy " + MANY.format(more=f", {more}" if more else "")


def test_a_parallel_loop_runs_once_for_every_item_and_collects_in_the_order_of_the_items(play: Play):
    play(f"""
        {many()}
        create   xs=[1,2,3]
        at       m m m m
        complete m
        complete m
        complete m
        at       after
        variables xs=[1,2,3] rs=[10,20,30]
    """)


def test_a_sequential_loop_runs_one_instance_after_the_other(play: Play):
    play(f"""
        {many("sequential=true")}
        create   xs=[1,2]
        at       m m
        activate m
        sees     xs=[1,2] x=1 loopCounter=1 rs=[null,null]
        complete m
        at       m m
        activate m
        sees     xs=[1,2] x=2 loopCounter=2 rs=[10,null]
        complete m
        at       after
        variables xs=[1,2] rs=[10,20]
    """)


@pytest.mark.parametrize("sequential", ["true", "false"])
def test_an_empty_collection_completes_at_once(play: Play, sequential: str):
    play(f"{many(f'sequential={sequential}')}; create xs=[]; at after; variables xs=[] rs=[]")


@pytest.mark.parametrize("xs", ["null", '"text"', "5", '{"a":1}'])
def test_what_is_no_list_is_an_incident(play: Play, xs: str):
    play(f"{many()}; create xs={xs}; incident m EXTRACT_VALUE_ERROR; set xs=[1]; resolve m; at m m")


def test_the_completion_condition_ends_the_loop(play: Play):
    play(f"""
        {many('sequential=true, done="=numberOfCompletedInstances = 2"')}
        create   xs=[1,2,3]
        complete m
        complete m
        at       after
        variables xs=[1,2,3] rs=[10,20,null]
    """)


def test_the_completion_condition_ends_the_instances_that_still_run(play: Play):
    play(f"""
        {many('done="=x = 2 or numberOfCompletedInstances = 2"')}
        create   xs=[1,2,3]
        complete m
        complete m
        at       after
        none     m
    """)


def test_the_counters_of_a_parallel_loop(play: Play):
    play(f"""
        {many('done="=numberOfInstances = 3 and numberOfActiveInstances = 1 and numberOfTerminatedInstances = 0"')}
        create   xs=[1,2,3]
        complete m
        at       m m m
        complete m
        at       after
    """)


def test_a_completion_condition_that_is_no_boolean_is_an_incident_of_the_instance(play: Play):
    loop = many('done="=y"')
    play(f"{loop}; create xs=[1,2]; complete m; incident m EXTRACT_VALUE_ERROR; set y=true; resolve m; at after")


def test_boundary_events_belong_to_the_whole_loop(play: Play):
    play(
        'deploy start > m:job(items="=[1,2]") > end & t:boundary(on=m, timer=PT1S) > late:job > e2:end; create; at m m m; advance 1000; at late'
    )


def test_an_error_of_one_instance_is_caught_at_the_loop_and_ends_it(play: Play):
    play(
        'deploy start > m:job(items="=[1,2]") > end & t:boundary(on=m, error=E) > late:job > e2:end; create; throw m code=E; at late'
    )


def test_each_instance_waits_for_its_own_message(play: Play):
    play("""
        deploy   start > m:receive(items="=[7,8]", item=x, message=go, key="=x") > end
        create
        publish  go key=8
        at       m m
        publish  go key=7
        completed
    """)


def test_a_subprocess_runs_for_every_item(play: Play):
    play("""
        deploy   start > s:sub(items="=[1,2]", item=x, results=rs, result="=y") { start > a:job(out.y="=x * 10") > end } > end
        create
        at       a a s s s
        complete a
        complete a
        completed
    """)


def test_input_mappings_see_the_item_and_output_mappings_run_before_the_result(play: Play):
    play("""
        deploy   start > m:job(items="=[5]", item=x, results=rs, result="=out", in.double="=x * 2", out.out="=double + 1") > after:job > end
        create
        activate m
        sees     x=5 double=10 loopCounter=1 rs=[null] out=null
        complete m
        variables rs=[11]
    """)


LOCAL = ['result="=r"', 'result="=r.v"', 'result="=r", out.r="=r"']


@pytest.mark.parametrize("sequential", ["true", "false"])
@pytest.mark.parametrize("loop", LOCAL)
def test_the_variable_of_the_result_is_local_to_each_instance(play: Play, loop: str, sequential: str):
    given = 'r={"v":1}' if ".v" in loop else "r=1"
    play(f"""
        deploy   start > m:job(items="=[1,2]", results=rs, {loop}, sequential={sequential}) > after:job > end
        create
        complete m {given}
        complete m {given}
        at       after
        variables rs=[1,1]
    """)


@pytest.mark.parametrize("loop", LOCAL)
def test_an_instance_without_a_result_does_not_take_that_of_another(play: Play, loop: str):
    given = 'r={"v":1}' if ".v" in loop else "r=1"
    play(f"""
        deploy   start > m:job(items="=[1,2]", results=rs, {loop}, sequential=true) > after:job > end
        create
        complete m {given}
        complete m
        variables rs=[1,null]
    """)


def test_a_result_that_is_worked_out_leaves_the_variables_as_they_are(play: Play):
    play("""
        deploy   start > m:job(items="=[1,2]", results=rs, result="=r + 1", sequential=true) > after:job > end
        create
        complete m r=1 other=2
        complete m r=2
        variables rs=[2,3] r=2 other=2
    """)


def test_the_item_may_be_the_result(play: Play):
    play("""
        deploy   start > m:job(items="=[1,2]", item=x, results=rs, result="=x", sequential=true) > after:job > end
        create
        complete m x=10
        complete m
        variables rs=[10,2]
    """)


def test_an_output_mapping_of_an_instance_keeps_what_is_local(play: Play):
    play("""
        deploy   start > m:job(items="=[1,1]", item=x, in.y="=x", out.y="=y + 1", out.z="=x") > after:job > end
        create
        complete m
        complete m
        at       after
        variables z=1
    """)


@pytest.mark.parametrize(("xs", "count"), [("[1,2,3,4,5]", 5), ("[[],[1],null]", 3)])
def test_items_may_be_anything(play: Play, xs: str, count: int):
    play(f"{many()}; create xs={xs}; at {'m ' * (count + 1)}")


def test_cancelling_ends_all_instances(play: Play):
    play(f"{many()}; create xs=[1,2,3]; cancel; completed; none m")


@pytest.mark.parametrize(
    "more",
    ["results=rs", 'result="=r"', 'items="xs"'],
)
def test_faulty_loops_are_refused(play: Play, more: str):
    items = "" if "items" in more else 'items="=xs", '
    play(f"deploy start > m:job({items}{more}) > end", refused="INVALID_ARGUMENT")


# --- standard loop


def test_a_standard_loop_repeats_while_its_condition_holds(play: Play):
    play("""
        deploy   start > a:job(repeat="=n < 3") > end
        create   n=0
        complete a n=1
        at       a a
        complete a n=2
        at       a a
        complete a n=3
        completed
    """)


def test_a_standard_loop_stops_at_its_maximum(play: Play):
    play('deploy start > a:job(repeat="=true", times=2) > end; create; complete a; at a a; complete a; completed')


def test_a_standard_loop_may_test_before_the_first_time(play: Play):
    play('deploy start > a:job(repeat="=n < 3", test_before=yes) > end; create n=5; completed')
