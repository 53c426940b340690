"""One process instance: what it shows, what can be done to it, and what happens when somebody was faster or typed something wrong."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.operating import cancel, complete_task, fail, incident_of, set_variables, take

ASK = "start > ask:user > end"


def region(page, name: str):
    return page.get_by_role("region", name=name, exact=True)


def open_instance(page, key: int):
    page.goto(f"/instances/{key}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Instance {key}")


def test_the_summary_says_what_runs_since_when(page, work, unique):
    work.deploy(ASK, unique, name="Dinner")
    key = work.create(unique)
    open_instance(page, key)
    summary = region(page, "Summary")
    expect(summary.get_by_role("link", name="Dinner")).to_be_visible()
    expect(summary.get_by_role("link", name="Version 1")).to_be_visible()
    expect(summary).to_contain_text("Active")
    expect(summary.locator("time")).to_have_attribute("datetime", page.locator("time").first.get_attribute("datetime"))


@pytest.mark.parametrize(
    ("path", "told"), [("instances", "There is no instance with key 1."), ("tasks", "There is no task with key 1.")]
)
def test_what_is_not_there_is_told_in_words(site, path, told):
    answer = httpx.get(f"{site}/{path}/1")
    assert (answer.status_code, told in answer.text, "Expected" in answer.text) == (404, True, False)


@pytest.mark.parametrize("path", ["1", "0", "99999999999999999999999"])
def test_an_unknown_instance_is_not_found(page, path):
    answer = page.goto(f"/instances/{path}")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.get_by_role("main").get_by_role("link", name="Instances")).to_be_visible()


# --- cancel


def test_an_instance_is_canceled_after_a_question(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique)
    open_instance(page, key)
    page.get_by_role("button", name="Cancel instance…").click()
    page.get_by_role("dialog", name="Cancel instance").get_by_role("button", name="Cancel instance").click()
    expect(page.get_by_role("status")).to_have_text(f"Instance {key} canceled.")
    expect(region(page, "Summary")).to_contain_text("Canceled")
    expect(page.locator('[data-element-id="ask"][data-token-state="canceled"]')).to_have_text("1")
    expect(page.get_by_role("button", name="Cancel instance…")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_escape_cancels_nothing_and_gives_the_focus_back(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique))
    opener = page.get_by_role("button", name="Cancel instance…")
    opener.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
    expect(region(page, "Summary")).to_contain_text("Active")


def test_whoever_cancels_second_is_told(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique)
    page.route("**/events*", lambda route: route.abort())  # this page does not hear of it
    open_instance(page, key)
    page.get_by_role("button", name="Cancel instance…").click()
    cancel(work, key)
    page.get_by_role("dialog").get_by_role("button", name="Cancel instance").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Instance {key} has ended already.")
    expect(region(page, "Summary")).to_contain_text("Canceled")


# --- live


def test_what_others_do_appears_without_moving_the_focus(page, work, unique):
    work.deploy("start > ask:user > next:user > end", unique)
    key = work.create(unique)
    open_instance(page, key)
    region(page, "Variables").get_by_role("button", name="Add variable").click()
    name = page.get_by_role("textbox", name="Variable name")
    name.fill("half typ")
    complete_task(work, key, dinner="pizza")
    expect(region(page, "Tokens")).to_contain_text("next: 1 active")
    expect(region(page, "Variables").get_by_role("row").filter(has_text="dinner")).to_contain_text('"pizza"')
    expect(name).to_be_focused()
    expect(name).to_have_value("half typ")


def test_what_was_unfolded_stays_so(page, work, unique):
    work.deploy("start > ask:user > next:user > end", unique)
    key = work.create(unique, note="x" * 500)
    open_instance(page, key)
    passed = region(page, "Tokens").get_by_text("Passed: ")
    passed.click()
    region(page, "Variables").locator("details.fold > summary").click()
    complete_task(work, key)
    expect(region(page, "Tokens").get_by_text("ask: 1 completed")).to_be_visible()
    expect(region(page, "Variables").locator("details.fold > pre")).to_be_visible()


def test_what_is_unfolded_while_an_update_comes_stays_so(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    open_instance(page, work.create(unique, note="x" * 500))
    page.evaluate("""async () => {
        for (const details of document.querySelectorAll('#tokens-passed, details.fold')) {
            const live = details.closest('[data-live]'), fresh = live.outerHTML;
            details.open = true;
            await htmx.swap({ text: fresh, target: `#${live.id}`, swap: 'outerMorph', sourceElement: live });
        }
    }""")
    expect(region(page, "Tokens").get_by_text("start: 1 completed")).to_be_visible()
    expect(region(page, "Variables").locator("details.fold > pre")).to_be_visible()


def test_a_suspended_instance_waits_and_goes_on(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Suspend").click()
    expect(region(page, "Summary")).to_contain_text("Suspended")
    page.get_by_role("button", name="Resume").click()
    expect(region(page, "Summary")).to_contain_text("Active")


# --- variables


def row(page, name: str):
    return region(page, "Variables").get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))


def test_a_variable_is_edited_in_its_row(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique, amount=12)
    open_instance(page, key)
    expect(row(page, "amount").get_by_role("cell").nth(0)).to_have_text("amount")
    expect(row(page, "amount").get_by_role("cell").nth(1)).to_have_text("12")
    page.get_by_role("button", name="Edit amount").click()
    page.get_by_role("textbox", name="Value of amount").fill('{"net": 10}')
    row(page, "amount").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Variable amount saved.")
    expect(row(page, "amount").get_by_role("cell").nth(1)).to_have_text('{"net":10}')
    expect(page.get_by_role("textbox", name="Value of amount")).to_have_count(0)


def test_a_variable_is_added(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Add variable").click()
    page.get_by_role("textbox", name="Variable name").fill("city")
    page.get_by_role("textbox", name="Variable value").fill('"Bern"')
    region(page, "Variables").get_by_role("button", name="Save").click()
    expect(row(page, "city").get_by_role("cell").nth(1)).to_have_text('"Bern"')


@pytest.mark.parametrize("text", ["Bern", "{", "[1,]", "'a'", "1 2", "<b>", "NaN"])
def test_what_is_no_json_is_told_and_may_become_a_text(page, work, unique, text):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique, city="Thun"))
    page.get_by_role("button", name="Edit city").click()
    field = page.get_by_role("textbox", name="Value of city")
    field.fill(text)
    row(page, "city").get_by_role("button", name="Save").click()
    expect(region(page, "Variables")).to_contain_text("Not valid JSON: ")
    expect(field).to_have_value(text)
    expect(field).to_be_focused()
    row(page, "city").get_by_role("button", name="Use as text").click()
    row(page, "city").get_by_role("button", name="Save").click()
    expect(row(page, "city").get_by_role("cell").nth(1)).to_contain_text(text)


def test_without_scripts_what_is_no_json_is_told_too_and_nothing_is_lost(browse, work, unique):
    page = browse(java_script_enabled=False)
    work.deploy(ASK, unique)
    key = work.create(unique, city="Thun")
    answer = httpx.post(
        f"http://127.0.0.1:{work.broker.broker.http_port}/instances/{key}/variables",
        data={"scope": key, "name": "city", "value": "Be<rn", "action": "edit"},
    )
    assert answer.status_code == 422
    assert "Not valid JSON: expected a value, but found" in answer.text
    assert "Be&lt;rn" in answer.text
    page.goto(f"/instances/{key}")
    expect(row(page, "city")).to_contain_text('"Thun"')


def test_an_edit_of_an_ended_instance_is_refused_and_kept(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique, city="Thun")
    page.route("**/events*", lambda route: route.abort())
    open_instance(page, key)
    page.get_by_role("button", name="Edit city").click()
    page.get_by_role("textbox", name="Value of city").fill('"Bern"')
    cancel(work, key)
    row(page, "city").get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The variable was not set")
    expect(row(page, "city").get_by_role("cell").nth(1)).to_contain_text('"Thun"')


def test_an_open_edit_survives_what_others_do(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique, city="Thun")
    open_instance(page, key)
    page.get_by_role("button", name="Edit city").click()
    page.get_by_role("textbox", name="Value of city").fill('"Be')
    set_variables(work, key, other=1)
    expect(row(page, "other")).to_be_visible()
    expect(page.get_by_role("textbox", name="Value of city")).to_have_value('"Be')


def test_leaving_an_edit_changes_nothing(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique, city="Thun"))
    page.get_by_role("button", name="Edit city").click()
    page.get_by_role("textbox", name="Value of city").fill("nonsense")
    row(page, "city").get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Edit city")).to_be_focused()
    expect(row(page, "city").get_by_role("cell").nth(1)).to_contain_text('"Thun"')


def test_scopes_have_variables_of_their_own(page, work, unique):
    work.deploy('start > dine:sub(in.local="=1") { start > ask:user > end } > end', unique)
    open_instance(page, work.create(unique, outer=2))
    expect(row(page, "outer")).to_be_visible()
    scope = region(page, "Variables").get_by_role("combobox", name="Scope")
    label = next(one for one in scope.locator("option").all_inner_texts() if one.startswith("dine"))
    scope.select_option(label=label)
    expect(row(page, "local").get_by_role("cell").nth(1)).to_have_text("1")
    expect(row(page, "outer")).to_have_count(0)


def test_names_and_values_of_variables_are_no_markup(page, work, unique):
    work.deploy(ASK, unique)
    names = ["<script>alert(1)</script>", "ünï cödé", "🐝", "'\"&", "\u202egnp"]
    key = work.create(unique, **dict.fromkeys(names, "<img src=x onerror=alert(2)>"))
    open_instance(page, key)
    for name in names:
        expect(row(page, name).get_by_role("cell").nth(1)).to_contain_text('"<img src=x onerror=alert(2)>"')
    assert page.locator("#main img, #main script").count() == 0


def test_a_huge_value_is_folded_and_edited_as_a_whole(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique, text="x" * 300_000)
    open_instance(page, key)
    assert len(page.content()) < 200_000
    page.get_by_role("button", name="Edit text").click()
    expect(page.get_by_role("textbox", name="Value of text")).to_have_value('"' + "x" * 300_000 + '"')


def test_ten_thousand_variables_have_pages(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique, **{f"v{n:05}": n for n in range(10_000)}))
    expect(region(page, "Variables").get_by_role("row")).to_have_count(51)
    region(page, "Variables").get_by_role("link", name="Next page").click()
    expect(row(page, "v00050")).to_be_visible()


def test_the_history_of_a_value_is_shown_as_far_as_it_is_known(page, work, unique):
    work.deploy(ASK, unique)
    key = work.create(unique, amount=1)
    open_instance(page, key)
    row(page, "amount").get_by_role("button", name="Show history").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("History of amount")
    expect(page.get_by_role("region", name="Value now")).to_contain_text("1")
    page.get_by_role("link", name=f"Back to instance {key}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Instance {key}")


# --- work and waits


def test_jobs_and_tasks_are_listed_with_what_may_be_done(page, work, unique):
    work.deploy(f"start > fork:parallel [ask:user > e:end | {unique}job:job > e2:end]", unique)
    key = work.create(unique)
    open_instance(page, key)
    listed = region(page, "Jobs and tasks")
    expect(listed.get_by_role("link", name="ask")).to_have_attribute(
        "href", page.locator('a[href^="/tasks/"]').first.get_attribute("href")
    )
    job = listed.get_by_role("row").filter(has_text=f"{unique}job").first
    job.get_by_role("button", name="Fail…").click()
    dialog = page.get_by_role("dialog", name="Fail")
    dialog.get_by_role("textbox", name="Error message").fill("by hand")
    dialog.get_by_role("button", name="Fail").click()
    expect(region(page, "Incidents")).to_contain_text("by hand")
    expect(page.locator('[data-token-state="incident"]')).to_have_text("1")
    listed.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status")).to_have_text("The job can be worked on again.")
    expect(page.locator('[data-token-state="incident"]')).to_have_count(0)
    take(work, f"{unique}job")


@pytest.mark.parametrize("width", [800, 1024, 1280])
def test_a_long_reason_leaves_the_buttons_of_a_job_in_sight(browse, work, unique, width):
    page = browse(viewport={"width": width, "height": 800})
    work.deploy(f"start > send:job(type={unique}) > end", unique)
    key = work.create(unique)
    fail(work, unique, message=f"The program ended with exit code 3: {'no mail ' * 30}\nat last")
    open_instance(page, key)
    listed = region(page, "Jobs and tasks")
    button = listed.get_by_role("button", name="Retry")
    expect(button).to_be_visible()
    table, box = listed.locator(".scroll").bounding_box(), button.bounding_box()
    assert box["x"] + box["width"] <= table["x"] + table["width"]
    assert box["height"] < 50  # one line


def test_messages_and_timers_that_are_waited_for(page, work, unique):
    work.deploy(
        'start > ask:user > end & late:boundary(on=ask, timer=PT1H) > e2:end & note:boundary(on=ask, message=news, key="=k", cancel=false) > e3:end',
        unique,
    )
    open_instance(page, work.create(unique, k="k-7"))
    waits = region(page, "Messages and timers")
    expect(waits.get_by_role("row").filter(has_text="Timer")).to_contain_text("in ")
    expect(waits.get_by_role("row").filter(has_text="Message")).to_contain_text("k-7")


def test_a_card_on_a_phone_leaves_out_what_a_timer_has_not(browse, work, unique):
    page = browse(viewport={"width": 360, "height": 740})
    work.deploy("start > ask:user > end & late:boundary(on=ask, timer=PT1H) > e2:end", unique)
    open_instance(page, work.create(unique))
    waits = region(page, "Messages and timers")
    expect(waits.locator("[data-name=Due]")).to_be_visible()
    for empty in ("Name", "Correlation key"):
        expect(waits.locator(f"[data-name='{empty}']")).to_be_hidden()


def test_called_and_calling_instances_are_links(page, work, unique):
    work.deploy(ASK, f"{unique}inner")
    work.deploy(f"start > dine:call(process={unique}inner) > end", unique)
    key = work.create(unique)
    open_instance(page, key)
    region(page, "Called instances").get_by_role("link").click()
    expect(region(page, "Summary").get_by_role("link", name=f"Instance {key}")).to_be_visible()


def test_a_variable_that_is_too_large_is_not_sent_and_stays(page, work, unique):
    work.deploy("start > ask:user > end", unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Add variable").click()
    page.get_by_role("textbox", name="Variable name").fill("note")
    value = page.get_by_role("textbox", name="Variable value")
    value.fill(f'"{"y" * 5_000_000}"')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("what you typed is still here")
    assert value.evaluate("field => field.value.length") == 5_000_002


def test_the_history_is_a_tree(page, work, unique):
    work.deploy("start > dine:sub { start > ask:user > end } > end", unique)
    open_instance(page, work.create(unique))
    lines = region(page, "History").get_by_role("tree").get_by_role("treeitem")
    expect(lines).to_have_count(4)
    assert [one.get_attribute("aria-level") for one in lines.all()] == ["1", "1", "2", "2"]
    lines.first.focus()
    page.keyboard.press("ArrowDown")
    expect(lines.nth(1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(lines.nth(2)).to_be_focused()


# --- incidents


def test_an_incident_is_resolved_and_tokens_follow(page, work, unique):
    work.deploy(f"start > {unique}job:job > end", unique)
    key = work.create(unique)
    fail(work, f"{unique}job", "boom <b>bold</b>")
    open_instance(page, key)
    incidents = region(page, "Incidents")
    expect(incidents).to_contain_text("boom <b>bold</b>")
    expect(region(page, "Tokens")).to_contain_text(f"{unique}job: 1 incident")
    expect(page.get_by_role("img", name="1 incident")).to_be_visible()
    incidents.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("status")).to_have_text("Incident resolved.")
    expect(page.get_by_role("img", name="1 active")).to_be_visible()
    expect(incidents).to_contain_text("No open incidents.")


def test_retries_are_given_in_a_dialog(page, work, unique):
    work.deploy(f"start > {unique}job:job > end", unique)
    key = work.create(unique)
    fail(work, f"{unique}job")
    open_instance(page, key)
    page.get_by_role("button", name="Retries…").click()
    dialog = page.get_by_role("dialog", name="Retries")
    dialog.get_by_role("textbox", name="Retries").fill("4")
    dialog.get_by_role("button", name="Retries").click()
    expect(page.get_by_role("status")).to_contain_text("Retries set to 4.")
    expect(region(page, "Jobs and tasks").get_by_role("row").nth(1)).to_contain_text("4")


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "9" * 30])
def test_retries_must_be_a_number_from_one(site, work, unique, text):
    work.deploy(f"start > {unique}job:job > end", unique)
    key = work.create(unique)
    job = fail(work, f"{unique}job")
    answer = httpx.post(
        f"{site}/instances/{key}/jobs/{job}/retries",
        data={"retries": text},
        follow_redirects=True,
        cookies=httpx.Cookies(),
    )
    assert answer.status_code in (200, 404)
    assert "Retries set" not in answer.text


def test_a_step_that_fails_again_says_so(page, work, unique):
    work.deploy('start > a:task(in.y="=assert(x, x != null)") > end', unique)
    key = work.create(unique)
    open_instance(page, key)
    old = incident_of(work, key)
    region(page, "Incidents").get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text("It failed again: ")
    assert incident_of(work, key) != old


# --- modify and migrate


def test_tokens_are_moved(page, work, unique):
    work.deploy("start > a:user > b:user > end", unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Modify…").click()
    dialog = page.get_by_role("dialog", name="Modify")
    dialog.get_by_role("combobox", name="From element").fill("a")
    dialog.get_by_role("combobox", name="To element").fill("b")
    dialog.get_by_role("button", name="Modify").click()
    expect(region(page, "Tokens")).to_contain_text("b: 1 active")
    expect(page.locator('[data-element-id="a"][data-token-state="canceled"]')).to_have_text("1")


def test_an_element_is_activated_with_variables_and_another_one_terminated(page, work, unique):
    work.deploy("start > fork:parallel [a:user > e:end | b:user > e2:end]", unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Modify…").click()
    dialog = page.get_by_role("dialog", name="Modify")
    dialog.get_by_role("combobox", name="Activate element").fill("b")
    dialog.get_by_role("combobox", name="Terminate element").fill("a")
    dialog.get_by_role("textbox", name="Variables (JSON)").fill('{"added": 1}')
    dialog.get_by_role("button", name="Modify").click()
    expect(region(page, "Tokens")).to_contain_text("b: 2 active")
    expect(row(page, "added")).to_be_visible()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"move-from": "a"},
        {"activate": "nowhere"},
        {"terminate": "nowhere"},
        {"terminate": "start"},
        {"activate": "a", "terminate": "end"},
        {"activate": "a", "variables": "[1]"},
        {"activate": "a", "variables": "{"},
    ],
)
def test_a_modification_that_cannot_be_is_refused(site, work, unique, fields):
    work.deploy("start > a:user > end", unique)
    key = work.create(unique)
    with httpx.Client(base_url=site, follow_redirects=True) as http:
        answer = http.post(f"/instances/{key}/modify", data=fields, headers={"referer": f"{site}/instances/{key}"})
    assert 'role="alert"' in answer.text
    assert "a</bdi></a>: 1 active" in answer.text


def test_an_instance_migrates_to_another_version(page, work, unique):
    work.deploy("start > a:user > end", unique)
    key = work.create(unique)
    work.deploy("start > a:user > b:user > end", unique)
    open_instance(page, key)
    page.get_by_role("button", name="Migrate…").click()
    dialog = page.get_by_role("dialog", name="Migrate")
    expect(dialog.get_by_role("combobox", name="Target version")).to_contain_text("Version 2")
    expect(dialog.get_by_role("textbox", name="a goes on at")).to_have_value("a")
    dialog.get_by_role("button", name="Migrate").click()
    expect(region(page, "Summary")).to_contain_text("Version 2")
    expect(page.locator('g[data-element-id="b"]')).to_be_attached()


def test_a_migration_to_an_element_that_is_not_there_is_refused(page, work, unique):
    work.deploy("start > a:user > end", unique)
    key = work.create(unique)
    work.deploy("start > other:user > end", unique)
    open_instance(page, key)
    page.get_by_role("button", name="Migrate…").click()
    page.get_by_role("dialog", name="Migrate").get_by_role("button", name="Migrate").click()
    expect(page.get_by_role("alert")).to_contain_text("a")
    expect(region(page, "Summary")).to_contain_text("Version 1")


def test_without_another_version_the_way_to_one_is_shown(page, work, unique):
    work.deploy(ASK, unique)
    open_instance(page, work.create(unique))
    page.get_by_role("button", name="Migrate…").click()
    expect(page.get_by_role("dialog", name="Migrate").get_by_role("link", name="Deploy")).to_be_visible()


def test_it_fits_a_phone(browse, work, unique):
    page = browse(viewport={"width": 360, "height": 740})
    work.deploy(ASK, unique, name="A name of a process that is rather long, as they are")
    open_instance(page, work.create(unique, **{"n" * 100: "v" * 120}))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
