"""Variables: scopes, mappings, the merge outwards, documents (bpmn-execution.md, section 6)."""

import pytest

from tests.conftest import Play


def test_a_new_name_lands_in_the_process(play: Play):
    play("deploy start > a:job > b:job > end; create x=1; complete a y=2; variables x=1 y=2")


def test_an_existing_name_is_set_where_it_is(play: Play):
    play('deploy start > a:job(in.x="=1") > b:job > end; create x=0; complete a x=5; variables x=0')


def test_only_mapped_variables_leave_a_task_with_output_mappings(play: Play):
    play('deploy start > a:job(out.total="=x + y") > b:job > end; create x=1; complete a y=2; variables x=1 total=3')


def test_output_mappings_merge_into_an_object(play: Play):
    play(
        'deploy start > a:job(out.o.added="=y") > b:job > end; create o={"kept":1}; complete a y=2; variables o={"kept":1,"added":2}'
    )


def test_input_mappings_see_those_before_them_and_build_objects(play: Play):
    play("""
        deploy    start > a:job(in.req.body="=x", in.req.twice="=req.body * 2") > end
        create    x=4
        activate  a
        sees      x=4 req={"body":4,"twice":8}
    """)


def test_a_missing_source_is_null(play: Play):
    play('deploy start > a:job(in.x="=nothing") > end; create; activate a; sees x=null')


def test_a_static_input_is_text(play: Play):
    play("deploy start > a:job(in.x=5) > end; create; activate a; sees x='\"5\"'".replace("'", ""))


def test_inner_variables_hide_outer_ones(play: Play):
    play(
        'deploy start > dine:sub(in.x="=2") { start > a:job > end } > b:job > end; create x=1; activate a; sees x=2; complete a x=3; variables x=1'
    )


def test_a_failing_mapping_is_an_incident_and_can_be_repaired(play: Play):
    play("""
        deploy    start > a:job(out.y="=assert(x, x > 0)") > b:job > end
        create    x=0
        complete  a
        none      a
        incident  a IO_MAPPING_ERROR
        set       x=3
        resolve   a
        waits     b
        variables x=3 y=3
    """)


def test_an_input_mapping_that_fails_makes_no_job(play: Play):
    play("""
        deploy    start > a:job(in.y="=assert(x, x > 0)") > end
        create    x=0
        none      a
        incident  a IO_MAPPING_ERROR
        set       x=3
        resolve   a
        activate  a
        sees      x=3 y=3
    """)


def test_variables_set_locally_stay_there(play: Play):
    play("deploy start > a:job > b:job > end; create; set a local z=1; activate a; sees z=1; complete a; variables")


def test_variables_set_from_a_task_go_outwards(play: Play):
    play("deploy start > a:job > b:job > end; create x=1; set a x=2 y=3; variables x=2 y=3")


@pytest.mark.parametrize(
    "value",
    [
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "1.0",
        "null",
        '""',
        "{}",
        "[]",
        "[1,[2,{}]]",
        '"ü😀"',
        "0.1",
        "1e2",
    ],
)
def test_values_survive_untouched(play: Play, value: str):
    scenario = play("deploy start > a:job > b:job > end; create")
    scenario.play(f'complete a variables={{"v":{value}}}')
    scenario.play("activate b")
    assert scenario.last is not None
    scenario.play(f"variables v={value}")


def test_names_are_any_text(play: Play):
    play(
        'deploy start > a:job > end; create variables={"ä b": 1, "": 2, "q\\"uote": 3}; activate a; sees variables={"ä b":1,"":2,"q\\"uote":3}'
    )


@pytest.mark.parametrize(
    "document",
    ["[]", "1", '"x"', "true", "{", "{]", '{"a":}', "{a:1}", '{"a":1,}', '{"a":-}', '{"a":01}', '{"a":"\\ud800"}', '{"a":1}}', "{'a':1}",
     '{"a":' + "[" * 201 + "]" * 201 + "}"],
)  # fmt: skip
def test_what_is_no_document_starts_nothing(play: Play, document: str):
    play(f"deploy start > a:job > end; create variables={document}", refused="INVALID_ARGUMENT")


@pytest.mark.parametrize("document", ["", "   ", "null", " null ", "{}"])
def test_nothing_is_an_empty_document(play: Play, document: str):
    play(f"deploy start > a:job > end; create variables={document}; variables")


def test_the_last_of_two_equal_names_wins(play: Play):
    play('deploy start > a:job > end; create variables={"a":1,"a":2}; variables a=2')
