"""A mistake at the command line is answered with the command that was meant."""

import json

import pytest

from osmia_broker.cli.app import COMMANDS, _summaries, run


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("tasks --fromat json", "osmia tasks --output FORM"),
        ("tasks --format json", "osmia tasks --output FORM"),
        ("tasks --candidate-group cooks", "osmia tasks --group GROUP"),
        ("tasks --procss dinner", "osmia tasks --process ID"),
        ("status --json", "osmia status --output json"),
        ("message publish paid --key 7", "osmia message publish --correlation-key TEXT"),
        ("message publish paid 7", "osmia message publish NAME --correlation-key 7"),
        ("job throw-error 4 --code x", "osmia job throw-error KEY CODE"),
        ("broker --bind 0.0.0.0", "osmia broker --host TEXT"),
        ("broker --port 1", "osmia broker --grpc-port PORT"),
        ("demo --data-dir x", "osmia demo --keep DIR"),
        ("tasks --nothing-like-it", "osmia tasks --help"),
        ("version", "osmia --version"),
        ("stop", "Ctrl-C"),
        ("list", "osmia tasks, osmia instances"),
        ("claim 4", "osmia task claim"),
        ("complete 4", "osmia task complete or osmia job complete"),
        ("resolve 4", "osmia incident resolve"),
        ("publish paid", "osmia message publish"),
        ("instnces", "osmia instances"),
        ("nothing-like-it", "osmia --help"),
        ("task list", "osmia tasks"),
        ("task show", "osmia tasks   (it lists the keys)"),
        ("process delete", "osmia processes   (it lists the keys)"),
        ("task claim abc", "osmia tasks   (it lists the keys)"),
        ("incident resolve x", "osmia incidents   (it lists the keys)"),
        ("start dinner guests=(4) two", "osmia start PROCESS_ID --var NAME=VALUE"),
        ("message publish paid f(7) 8", "osmia message publish NAME --correlation-key f(7)"),
        ("feel 1 --bind x", "osmia feel --help"),
        ("events --kind incidnt", "--kind incident"),
        ("broker --grpc-port abc", "osmia broker --grpc-port 26500"),
        ("broker --task-policy everybody", "osmia broker --task-policy candidates"),
        ("broker --event-retention 10", "osmia broker --event-retention 1h"),
        ("broker --memory-limit lots", "osmia broker --memory-limit 24MiB"),
        ("broker --config nofile.toml", "a file that is there"),
    ],
)
def test_a_mistake_names_what_was_meant(capsys, line, mend):
    assert run(line.split()) == 2
    tried = [one for one in capsys.readouterr().err.splitlines() if one.startswith("  try: ")]
    assert len(tried) == 1
    assert mend in tried[0]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("start", "Error: Expected PROCESS_ID, but found no more words."),
        ("task show", "Error: Expected KEY, but found no more words."),
        ("task show abc", "Error: Expected KEY to be a whole number, but found 'abc'."),
        ("incident resolve 1 x", "Error: Expected KEY to be a whole number, but found 'x'."),
        ("tasks --limit few", "Error: Expected --limit to be a whole number, but found 'few'."),
        ("instance migrate 1", "Error: Expected the option --to, but found none."),
        ("instance variables 1 --var", "Error: Expected a value behind --var, but found none."),
        ("task lst", "Error: There is no command 'lst'."),
        ("task cla", "Error: There is no command 'cla'. Did you mean 'claim' or 'unclaim'?"),
        ("task comp", "Error: There is no command 'comp'. Did you mean 'complete'?"),
        ("message publish paid 7", "Error: There is no place for '7'."),
    ],
)
def test_a_mistake_is_told_in_plain_words(capsys, line, sentence):
    assert run(line.split()) == 2
    assert capsys.readouterr().err.splitlines()[0] == sentence


def test_a_key_of_no_letters_is_called_an_empty_word(capsys):  # `"$(osmia tasks -o key | head -1)"` without tasks
    assert run(["task", "complete", ""]) == 2
    assert (
        capsys.readouterr().err.splitlines()[0] == "Error: Expected KEY to be a whole number, but found an empty word."
    )


@pytest.mark.parametrize(
    ("words", "name", "mend"),
    [
        (["start", ""], "PROCESS_ID", "osmia start --help"),
        (["process", "delete", "", "--yes"], "KEY|ID", "osmia processes   (it lists the keys)"),
        (["process", "show", ""], "KEY|ID", "osmia processes   (it lists the keys)"),
        (["deploy", "a.bpmn", ""], "FILE", "osmia deploy --help"),
        (["run", ""], "FILE", "osmia run --help"),
        (["restore", ""], "BACKUP", "osmia restore --help"),
        (["check", ""], "DIR", "osmia check --help"),
        (["work", "", "--", "cat"], "TYPE", "osmia work --help"),
        (["message", "publish", ""], "NAME", "osmia message publish --help"),
        (["signal", ""], "NAME", "osmia signal broadcast --help"),
        (["publish", "message", ""], "NAME", "osmia message publish --help"),
        (["decision", "evaluate", ""], "ID", "osmia decision evaluate --help"),
        (["incident", "resolve", "--all", "--process", "", "--yes"], "a value behind --process", "incident resolve"),
        (["instances", "-p", ""], "a value behind --process", "osmia instances --help"),
    ],
)
def test_an_empty_word_never_stands_for_anything(
    capsys, tmp_path, monkeypatch, words, name, mend
):  # `"$ID"`, never set
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    what, tried = capsys.readouterr().err.splitlines()
    assert what == f"Error: Expected {name}, but found an empty word."
    assert mend in tried


def test_a_text_without_quotes_in_the_settings_file_is_explained(capsys, tmp_path):
    file = tmp_path / "osmia.toml"
    file.write_text("data_dir = /var/lib/osmia\n")
    assert run(["broker", "--config", str(file)]) == 2
    assert "a text stands in quotes" in capsys.readouterr().err


def test_help_has_a_line_for_every_command():
    assert {"signal", "condition", "workers", "resource", "lint"} <= set(COMMANDS)
    lines = _summaries()
    assert [name for names, _ in lines for name in names.split(", ")] == list(COMMANDS)
    width = max(map(len, COMMANDS))
    assert max(2 + max(width, len(names)) + 2 + len(about) for names, about in lines) <= 80


def test_a_refusal_by_the_policy_names_how_to_say_who_acts():
    from grpc import StatusCode

    from osmia.errors import NotAllowed
    from osmia_broker.cli.failures import from_call

    failure = from_call(
        NotAllowed(StatusCode.PERMISSION_DENIED, "Expected to claim user task with key '7' as a candidate"), "x:1"
    )
    assert (failure.exit, "--user NAME" in failure.mend, "--groups" in failure.mend) == (7, True, True)


@pytest.mark.parametrize(
    "verb", [["comment", "late"], ["unclaim"], ["assign", "demo"], ["update", "--priority", "3"], ["complete"]]
)
def test_a_task_that_has_ended_is_called_so(osmia, unique, verb):
    osmia.deploy("start > a:user > end", unique)
    osmia.create(unique)
    key = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    osmia.done("task", "complete", key)
    assert f"Task {key} is completed already." in osmia.refused(5, "task", verb[0], key, *verb[1:])


def test_a_date_that_is_none_is_answered_with_one(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    osmia.create(unique)
    key = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    told = osmia.refused(2, "task", "update", key, "--due", "someday")
    assert f"try: osmia task update {key} --due 2h" in told
    osmia.done("task", "update", key, "--due", "tomorrow", "--follow-up", "2d")


def test_a_claim_of_ones_own_task_adds_nothing_to_its_history(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    osmia.create(unique)
    key = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    for _ in range(2):
        osmia.done("task", "claim", key, "--user", "anna")
    steps = osmia.json("task", "history", key)
    assert [one["operationType"] for one in steps].count("ASSIGN") == 1
    osmia.done("task", "claim", key, "--user", "anna", "--action", "insist")  # a word of their own is kept
    assert [one["action"] for one in osmia.json("task", "history", key)][-1] == "insist"


def test_a_message_that_reaches_nobody_and_is_not_kept_says_so(osmia, unique):
    osmia.deploy(f'start > wait:catch(message={unique}, key="=order") > end', unique)
    osmia.done("message", "publish", unique, "-k", "7")
    assert f"Nothing waited for '{unique}' with the key '7', and it is not kept. To keep it: --ttl 1h" in osmia.err
    osmia.done("message", "publish", unique, "-k", "7", "--ttl", "1h")
    assert "Nothing waited" not in osmia.err
    osmia.create(unique, {"order": "8"})
    osmia.done("message", "publish", unique, "-k", "8")
    assert "Nothing waited" not in osmia.err


def test_a_list_without_active_instances_says_where_the_others_are(osmia, unique):
    osmia.deploy("start > end", unique)
    osmia.done("instances", "-p", unique)
    assert f"osmia start {unique}" in osmia.err
    osmia.create(unique)
    osmia.done("instances", "-p", unique)
    assert f"No active instances. Those in all states: osmia instances --state all -p {unique}" in osmia.err


def test_an_instance_says_what_it_waits_for(osmia, unique):
    osmia.deploy(
        f"start > fork:parallel [ask:user(name=Ask, groups=family) > end1:end | do:job(type={unique}, retries=5) > end2:end]",
        unique,
    )
    key = osmia.create(unique)
    shown = osmia.done("instance", "show", key)
    task = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    assert f"waits for one of family: task {task}" in shown
    assert f"of type {unique}  (5 retries left" in shown
    osmia.client.activate_jobs(unique, worker="w1", wait_ms=0)
    assert "waits for worker w1, which holds job" in osmia.done("instance", "show", key)
    osmia.done("task", "claim", task, "--user", "anna")
    assert f"waits for anna: task {task}" in osmia.done("instance", "show", key)


def test_a_worker_is_listed_only_while_it_holds_the_job(osmia, unique):
    osmia.deploy(f"start > do:job(type={unique}, retries=5) > end", unique)
    osmia.create(unique)
    [job] = osmia.client.activate_jobs(unique, worker="w-one", wait_ms=0)
    assert "w-one" in osmia.done("jobs", "-t", unique)
    osmia.client.fail_job(job.key, retries=4)
    assert "w-one" not in osmia.done("jobs", "-t", unique)
    assert osmia.json("jobs", "-t", unique)[0]["worker"] == "w-one"


def test_a_task_shows_its_variables_and_the_fields_of_its_form(osmia, unique):
    field = {"key": "dish", "label": "Dish", "type": "textfield"}
    form = json.dumps({"id": unique, "components": [{"type": "group", "components": [field]}]})
    osmia.client.deploy((f"{unique}.form", form.encode()))
    osmia.deploy(f"start > a:user(native=yes, form_id={unique}) > end", unique)
    osmia.create(unique, {"guests": 4})
    key = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    shown = osmia.done("task", "show", key)
    assert "    guests = 4\n" in shown
    assert "    dish (textfield)  Dish" in shown
    assert osmia.json("task", "show", key)["formFields"] == [field]


def test_an_error_that_nothing_catches_is_said_where_it_is_thrown_and_where_jobs_are_listed(osmia, unique):
    osmia.deploy(f"start > do:job(type={unique}) > end", unique)
    osmia.create(unique)
    [job] = osmia.client.activate_jobs(unique, wait_ms=0)
    osmia.done("job", "throw-error", job.key, "over-limit")
    assert "No error event catches 'over-limit', so an incident is raised: osmia incident show" in osmia.err
    osmia.done("jobs", "-t", unique)
    assert "1 job threw an error that nothing catches: osmia incidents --type UNHANDLED_ERROR_EVENT" in osmia.err


def test_an_incident_shows_its_whole_message_and_how_to_mend_a_variable(osmia, unique):
    osmia.deploy("start > pick:exclusive [amount > 10 -> a:end | else -> b:end]", unique)
    key = osmia.create(unique)
    incident = osmia.done("incidents", "-p", unique, "-o", "key").strip()
    lines = osmia.done("incident", "show", incident).splitlines()
    begins = next(number for number, line in enumerate(lines) if line.startswith("  message   "))
    assert all(line.startswith("            ") for line in lines[begins + 1 :])
    assert f"osmia instance variables {key} --var NAME=VALUE" in osmia.err
