"""The commands about messages, signals, conditions, timers and decisions, at a broker."""

import pytest

DISH = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="food" name="Food" namespace="osmia">
  <decision id="dish" name="Dish"><variable name="dish" />
    <decisionTable id="table"><input id="in"><inputExpression id="e" typeRef="string"><text>season</text></inputExpression></input>
      <output id="out" name="dish" typeRef="string" />
      <rule id="winter"><inputEntry id="i"><text>"Winter"</text></inputEntry><outputEntry id="o"><text>"Roast"</text></outputEntry></rule>
    </decisionTable></decision></definitions>"""


def test_a_message_wakes_the_event_that_waits_for_its_key(osmia, unique):
    osmia.deploy(f'start > w:catch(message={unique}, key="=id") > done:job(type={unique}) > end', unique)
    key = osmia.create(unique, {"id": "order-7"})
    (row,) = osmia.json("subscriptions", "--name", unique)
    assert (row["type"], row["correlationKey"], row["processInstanceKey"]) == ("MESSAGE", "order-7", str(key))
    assert osmia.done("subscriptions", "--name", unique, "-k", "other") == ""
    assert int(osmia.done("message", "publish", unique, "-k", "order-7", "--var", "paid=true", "-q")) > 0
    assert osmia.json("subscriptions", "--name", unique) == []
    (ended,) = osmia.json("subscriptions", "--instance", key, "--state", "all")
    assert ended["state"] == "ENDED"
    assert osmia.client.search_jobs(type=unique).items[0].element_id == "done"


def test_a_message_is_kept_for_its_time_to_live(osmia, unique):
    message = osmia.done(
        "message", "publish", unique, "-k", "7", "--ttl", "1h", "--id", "one", "--var", "x=1", "-q"
    ).strip()
    (row,) = osmia.json("messages", "--name", unique)
    assert (row["messageKey"], row["messageId"], row["variables"]) == (message, "one", {"x": 1})
    assert osmia.done("messages", "--name", unique, "-o", "key") == f"{message}\n"
    assert "one" in osmia.refused(5, "message", "publish", unique, "-k", "7", "--ttl", "1h", "--id", "one")
    assert osmia.json("messages", "--name", unique, "--id", "two") == []


def test_a_message_is_correlated_at_once_or_refused(osmia, unique):
    osmia.deploy(f'start > w:catch(message={unique}, key="=id") > done:job(type={unique}) > end', unique)
    key = osmia.create(unique, {"id": "order-7"})
    words = ("message", "correlate", unique, "--correlation-key", "order-7")
    assert f"try: osmia message publish {unique} -k another --ttl 1h" in osmia.refused(4, *words[:-1], "another")
    assert osmia.done(*words, "--var", "paid=true", "-q") == f"{key}\n"
    assert osmia.client.search_jobs(type=unique).items[0].element_id == "done"
    assert "none was found" in osmia.refused(4, *words)
    assert osmia.json("messages", "--name", unique) == []
    assert "at most 256 characters, but found 300" in osmia.refused(1, *words, "--business-id", "b" * 300)


def test_a_message_that_starts_a_process_is_correlated_without_a_key(osmia, unique):
    osmia.deploy(f"go:start(message={unique}) > work:job(type={unique}) > end", unique)
    found = osmia.json("message", "correlate", unique, "--var", "n=1", "--business-id", "order-7")
    (instance,) = osmia.json("instances", "-p", unique)
    assert found["processInstanceKey"] == instance["processInstanceKey"]
    assert int(found["messageKey"]) > 0


@pytest.mark.parametrize("words", [("signal", "broadcast"), ("signal",)])
def test_a_signal_reaches_all_that_listen(osmia, unique, words):
    osmia.deploy(f"go:start(signal={unique}) > work:job(type={unique}) > end", unique)
    assert osmia.json("subscriptions", "--name", unique, "--type", "signal")[0]["processInstanceKey"] is None
    assert "signalKey" in osmia.json(*words, unique, "--var", "floor=3")
    (instance,) = osmia.json("instances", "-p", unique)
    assert instance["elements"] == ["work"]


def test_a_condition_starts_the_process_for_which_it_holds(osmia, unique):
    definition = osmia.deploy(f'go:start(condition="=x > 5") > work:job(type={unique}) > end', unique)
    assert osmia.json("condition", "evaluate", "--definition", definition, "--var", "x=1") == []
    (started,) = osmia.json("condition", "evaluate", "--definition", definition, "--var", "x=6")
    assert started["processDefinitionKey"] == str(definition)
    assert "osmia processes" in osmia.refused(4, "condition", "evaluate", "--definition", "4711")


def test_timers_are_listed_with_their_moment(osmia, unique):
    osmia.deploy("start > late:catch(name=Too late, timer=PT1H) > end", unique)
    key = osmia.create(unique)
    (row,) = osmia.json("timers", "-p", unique)
    assert (row["elementId"], row["state"], row["processInstanceKey"]) == ("late", "WAITING", str(key))
    assert row["dueDate"].endswith("Z")
    assert "waits for" in osmia.done("instance", "show", key)
    osmia.done("instance", "cancel", key, "--yes")
    assert osmia.done("timers", "-p", unique) == ""
    assert [one["state"] for one in osmia.json("timers", "--instance", key, "--state", "ended")] == ["ENDED"]


def test_a_process_shows_what_starts_it(osmia, unique):
    osmia.deploy(f"go:start(message={unique}) > end", unique)
    assert f"go starts it by message {unique}" in osmia.done("process", "show", unique)


def test_a_decision_is_evaluated(osmia):
    osmia.client.deploy(("food.dmn", DISH.encode()))
    assert osmia.done("decision", "evaluate", "dish", "--var", "season=Winter") == '"Roast"\n'
    assert "Dish: rule 1" in osmia.err
    answer = osmia.json("decision", "evaluate", "dish", "--var", "season=Summer")
    assert (answer["output"], answer["evaluatedDecisions"][0]["matchedRules"]) == (None, [])
    assert osmia.done("decision", "evaluate", answer["decisionDefinitionKey"], "--var", "season=Winter") == '"Roast"\n'
    for missing in ("nosuch", "4711"):
        refused = osmia.refused(4, "decision", "evaluate", missing)
        assert refused == f"Error: There is no such decision '{missing}'.\n  try: osmia deploy FILE.dmn\n"


def test_evaluated_decisions_are_listed_with_their_rules(osmia, unique):
    osmia.client.deploy(("food.dmn", DISH.replace('"dish"', f'"{unique}"').encode()))
    for season in ("Winter", "Summer"):
        osmia.done("decision", "evaluate", unique, "--var", f"season={season}")
    summer, winter = osmia.json("decision", "evaluations", "-d", unique)
    assert (winter["result"], [rule["ruleIndex"] for rule in winter["matchedRules"]]) == ("Roast", [1])
    assert (winter["evaluatedInputs"], winter["processInstanceKey"]) == ({"season": "Winter"}, None)
    assert (summer["result"], summer["state"], summer["matchedRules"]) == (None, "EVALUATED", [])
    assert '"Roast"' in osmia.done("decision", "evaluations", "-d", unique)
    assert osmia.done("decision", "evaluations", "-d", unique, "--state", "failed") == ""
    assert "No decision was evaluated" in osmia.err
    assert osmia.done("decision", "evaluations", "-d", unique, "-o", "key").split() == [
        f"{one['decisionEvaluationKey']}-1" for one in (summer, winter)
    ]


def test_an_instance_shows_its_path(osmia, unique):
    osmia.deploy(f"start > fork:parallel [a:job(name=Cook, type={unique}) > end | b:job > end2:end]", unique)
    key = osmia.create(unique)
    assert "path: start → fork → Cook, fork → b" in osmia.done("instance", "show", key)
    assert osmia.json("instance", "show", key)["processInstanceKey"] == str(key)
