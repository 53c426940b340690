"""`osmia task-listener`: what a person types, and what is refused."""

import pytest


def test_a_global_task_listener_from_its_creation_to_its_end(osmia, unique):
    noun = "task-listener"
    made = osmia.json(noun, "create", unique, "-t", "mail", "--event", "creating", "--event", "canceling")
    assert made == {
        "id": unique,
        "type": "mail",
        "eventTypes": ["creating", "canceling"],
        "retries": 3,
        "afterNonGlobal": False,
        "priority": 50,
    }
    assert "already exists" in osmia.refused(5, noun, "create", unique, "-t", "mail", "--event", "all")
    told = osmia.done(noun, "update", unique, "--priority", "0", "--after-model", "--retries", "7")
    assert told == f"Updated {unique}\n"
    shown = osmia.done(noun, "show", unique)
    assert "works after the listeners of the model, with priority 0" in shown
    assert "events: creating, canceling" in shown
    assert osmia.json(noun, "update", unique, "--before-model", "--event", "all")["afterNonGlobal"] is False
    (row,) = osmia.json(noun, "list", "--id", f"{unique}*")
    assert (row["retries"], len(row["eventTypes"])) == (7, 5)
    assert "creating, assigning" in osmia.done(noun, "list", "--id", unique, "-o", "csv")
    assert "Nobody is at the terminal" in osmia.refused(2, noun, "delete", unique)
    assert osmia.done(noun, "delete", unique, "--yes") == f"Deleted {unique}\n"
    assert osmia.done(noun, "list", "--id", unique) == ""
    for words in (["show", unique], ["update", unique, "--priority", "1"], ["delete", unique, "--yes"]):
        assert "try: osmia task-listener list" in osmia.refused(4, noun, *words)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["create", "s", "-t", "mail"], 2, "Expected --event EVENT, but found none"),
        (["create", "s", "--event", "all"], 2, "--type"),
        (["create", "s", "-t", "mail", "--event", "sleeping"], 1, "but found 'sleeping'"),
        (["create", "s", "-t", "mail", "--event", "all", "--priority", "101"], 1, "from 0 to 100, but found 101"),
        (["create", "s", "-t", "mail", "--event", "all", "--retries", "0"], 2, "--retries"),
        (["create", " ", "-t", "mail", "--event", "all"], 1, "to have an id, but found none"),
        (["update", "s"], 2, "Expected something to change, but found none"),
    ],
)
def test_a_global_task_listener_that_is_refused(osmia, words, code, text):
    assert text in osmia.refused(code, "task-listener", *words)
    assert osmia.client.global_task_listeners.search("s").items == []
