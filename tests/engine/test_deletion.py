"""Definitions that are deleted: no new instances, running ones go on (gateway-rpc.md, DeleteResource)."""

from collections.abc import Callable

import pytest

Play = Callable[..., None]


def test_without_the_latest_version_the_one_before_is_the_latest_again(play: Play):
    play("deploy start > a:job > end; deploy start > b:job > end; create; at b; delete process; create; at a")


def test_running_instances_go_on_in_a_deleted_definition(play: Play):
    play(
        "deploy only:: start > a:job > b:job > end; deploy start > x:job > end; deploy start > a:job > b:job > end; create; delete process; complete a; at b; complete b; completed"
    )


def test_a_deleted_definition_takes_no_new_instances(play: Play):
    play("deploy gone:: start > a:job > end; delete gone; create_of gone", refused="NOT_FOUND")


def test_the_number_of_a_deleted_version_is_not_used_again(play: Play):
    scenario = play(
        "deploy counted:: start > a:job > end; deploy counted:: start > b:job > end; delete counted; deploy counted:: start > c:job > end"
    )
    assert scenario.door.version("counted") == 3


@pytest.mark.parametrize(
    "line",
    ["delete 0", "delete -1", "delete 2251799813685249", "deploy gone2:: start > end; delete gone2; delete again"],
)
def test_what_is_no_definition_cannot_be_deleted(play: Play, line: str):
    play(line, refused="NOT_FOUND")
