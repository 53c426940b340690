"""Small things that make the page easy to read: words, marks, lines that stand under each other."""

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from playwright.sync_api import expect

import osmia_broker.http.web
from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.web.forms import DINNER, FIELDS, form

TEMPLATES = Path(osmia_broker.http.web.__file__).parent / "templates"
ASK = "start > ask:user > end"


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda one: one.stem)
def test_one_word_leaves_every_dialog_and_editor(template: Path):
    words = re.findall(r"<button[^>]*data-(?:closes|leaves)[^>]*>([^<]*)</button>", template.read_text())
    assert set(words) <= {"Close"}


def test_the_mark_of_a_copying_button_is_drawn(page: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    page.goto(f"/instances/{work.create(unique, city='Thun')}")
    button = page.get_by_role("button", name="Copy key").first
    expect(button.locator("svg path")).to_be_visible()
    expect(button).to_have_text("")
    page.get_by_role("link", name="ask").last.click()
    expect(page.get_by_role("button", name="Copy value").locator("svg path")).to_be_visible()


def test_who_has_no_groups_is_told_where_to_set_them_and_keeps_the_open_task(page: Any, work: Any, unique: str):
    work.deploy("start > ask:user(groups=cooks) > end", unique)
    [task] = work.broker.client.user_tasks.search({"processInstanceKey": str(work.create(unique))}).items
    page.goto(f"/tasks/{task.key}?tab=history")
    button = page.get_by_role("button", name="Take next")
    assert "primary" not in (button.get_attribute("class") or "")
    button.click()
    expect(page.get_by_role("status")).to_have_text(
        "No unassigned task has you or one of your groups as a candidate. You have no groups yet: enter them at “Signed in as demo”."
    )
    expect(page).to_have_url(f"/tasks/{task.key}?tab=history")
    expect(page.get_by_role("region", name="Task")).to_be_visible()


def test_taking_the_next_task_leads_to_no_other_site(site: str):
    answer = httpx.post(f"{site}/tasks/take-next", data={"back": "//evil.example/"})
    assert answer.headers["location"] == "/"


def test_a_free_task_says_in_the_list_for_whom_it_is(browse: Any, work: Any, unique: str):
    work.deploy('start > ask:user(groups="cooks, waiters, guests, bees") > end', unique)
    work.create(unique)
    page = browse("ada", groups="painters")
    page.goto(f"/tasks?process={unique}")
    row = page.get_by_role("list", name="Tasks").get_by_role("listitem")
    expect(row).to_contain_text(re.compile("For [a-z, ]+ and 1 more"))
    page = browse("ida", groups="bees")  # the chip says more to her
    page.goto(f"/tasks?process={unique}")
    row = page.get_by_role("list", name="Tasks").get_by_role("listitem")
    expect(row).to_contain_text("Your group bees")
    expect(row).not_to_contain_text("and 1 more")


def test_heading_list_and_number_stand_under_each_other(page: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    places = [
        page.get_by_role("heading", level=1),
        page.locator("ul.rows"),
        page.locator(".total"),
        page.locator(".foot > span"),
    ]
    assert len({one.bounding_box()["x"] for one in places}) == 1


def test_an_empty_box_is_not_grey_in_the_dark(browse: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    work.create(unique)
    page = browse(color_scheme="dark")
    page.goto(f"/tasks?process={unique}")
    box = page.get_by_role("checkbox", name="Select ask")
    looks = "one => [getComputedStyle(one).appearance, getComputedStyle(one).backgroundColor]"
    surface = page.locator("ul.rows").evaluate("one => getComputedStyle(one).backgroundColor")
    assert box.evaluate(looks) == ["none", surface]
    box.check()
    assert box.evaluate(looks)[0] != "none"  # the browser draws the tick


def test_a_user_task_among_the_jobs_has_no_retries_but_an_assignee(page: Any, work: Any, unique: str):
    work.deploy("start > fork:parallel [ask:user(assignee=ada) > e1:end | work:job > e2:end]", unique)
    page.goto(f"/instances/{work.create(unique)}")
    work_rows = page.get_by_role("region", name="Jobs and tasks").get_by_role("row")
    headings = work_rows.first.get_by_role("columnheader")
    expect(headings).to_have_text(
        ["Type", "Element", "State", "Retries", "Worker or assignee", "Deadline or due", "Actions"]
    )
    task = work_rows.filter(has_text="User task").get_by_role("cell")
    expect(task.nth(3)).to_have_text("")
    expect(task.nth(4)).to_have_text("ada")
    expect(work_rows.last.get_by_role("cell").nth(3)).to_have_text("3")


def test_the_history_says_how_long_a_visit_took(page: Any, work: Any, unique: str):
    work.deploy("start > wait:catch(timer=PT2M) > ask:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    work.broker.clock.ms += 120_000
    work.broker.look_at_clock()
    lines = page.get_by_role("region", name="History").get_by_role("treeitem")
    for line, took in ((lines.filter(has_text="start event"), "0.0 s"), (lines.filter(has_text="wait"), "2 min")):
        expect(line).to_contain_text(f", for {took}")
        expect(line.locator("time")).to_have_count(1)


def test_the_name_of_an_error_breaks_between_its_words(page: Any, work: Any, unique: str):
    work.deploy('start > ask:user(assignee="=missing.name") > end', unique)
    key = work.create(unique)
    page.goto(f"/instances/{key}")
    link = page.get_by_role("region", name="Incidents").get_by_role("link", name="Incident ")
    expect(page.get_by_role("region", name="Incidents").locator("wbr")).not_to_have_count(0)
    link.click()
    expect(page.get_by_role("region", name="Summary")).to_contain_text("Active")  # as in every list
    expect(page.get_by_role("region", name="Summary").locator("wbr")).not_to_have_count(0)


def test_a_box_is_large_enough_for_a_finger_and_stands_beside_its_row_on_a_phone(browse: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    key = work.create(unique)
    page = browse(viewport={"width": 360, "height": 780})
    page.goto(f"/instances?process={unique}")
    box = page.get_by_role("checkbox", name=f"Select instance {key}").bounding_box()
    link = page.get_by_role("link", name=str(key)).bounding_box()
    assert min(box["width"], box["height"]) >= 24
    assert box["x"] + box["width"] < link["x"]
    assert box["y"] < link["y"] + link["height"]
    assert link["y"] < box["y"] + box["height"]


def test_a_decision_is_no_lamp_in_a_dark_room(browse: Any, work: Any, unique: str):
    decision = (Path(__file__).parent / "discount.dmn").read_text().replace("DISCOUNT", unique).encode()
    key = work.broker.client.deploy((f"{unique}.dmn", decision)).decisions[0].key
    page = browse(color_scheme="dark")
    page.goto(f"/decisions/{key}")
    grounds = (
        "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one.querySelector('tbody')).backgroundColor]"
    )
    expect(page.locator("osmia-decision tbody")).to_be_visible()
    assert page.locator("osmia-decision").evaluate(grounds)[0] == "rgb(211, 217, 213)"


def test_the_difference_of_a_proposal_is_read_whole_on_a_phone(browse: Any, work: Any, unique: str):
    work.deploy("start > ask:user(assignee=demo) > end", unique)
    instance = work.create(unique, guests=4)
    desk = work.broker.client.user_tasks
    key = desk.search({"processInstanceKey": str(instance)}).items[0].key
    desk.propose(key, {"guests": 12345678901234, "a-name-of-some-length": "a value of some length"}, user="agent")
    page = browse(viewport={"width": 360, "height": 780})
    page.goto(f"/tasks/{key}")
    difference = page.get_by_role("group", name="Difference")
    expect(difference.get_by_text("12345678901234")).to_be_visible()
    assert difference.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_the_time_that_an_instance_has_run_grows(page: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    page.goto(f"/instances/{work.create(unique)}")
    lasts = page.locator("[data-since]")
    page.clock.install(time=lasts.get_attribute("data-since"))
    page.reload()
    expect(lasts).to_have_text(re.compile(r"\d\.\d s"))
    page.clock.fast_forward(3_700_000)
    expect(lasts).to_have_text(re.compile("1 h 1 min"))


def test_a_name_of_a_thousand_characters_leaves_room_for_the_rest(page: Any, work: Any, unique: str):
    name = "<b>" + "w" * 997
    model = bpmn(ASK, id=unique).replace(f'name="{unique}"'.encode(), f'name="{escape(name)}"'.encode())
    work.deploy_xml(model, unique)
    key = work.create(unique, **{"n" * 1000: 1})
    for address, row in (("/processes", "Processes"), (f"/instances?process={unique}", "Instances")):
        page.goto(address)
        shown = page.get_by_role("table", name=row).locator("tbody tr", has_text=name)
        assert shown.bounding_box()["height"] < 120
    page.goto(f"/instances/{key}")
    assert page.get_by_role("region", name="Summary").bounding_box()["height"] < 200
    assert page.get_by_role("region", name="Variables").locator("tbody tr").bounding_box()["height"] < 200
    expect(page.get_by_role("button", name="Edit " + "n" * 1000)).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_have_count(1)


def test_an_element_of_a_thousand_characters_leaves_room_for_the_rest(page: Any, work: Any, unique: str):
    name = "words of a name " * 62
    model = bpmn(ASK, id=unique, name=name).decode()
    model = re.sub(r'(<bpmn:userTask id="ask")(?: name="[^"]*")?', rf'\1 name="{name}"', model)
    work.deploy_xml(model.encode(), unique)
    page.goto(f"/instances/{work.create(unique)}")
    for region in ("Jobs and tasks", "History", "Tokens"):
        assert page.get_by_role("region", name=region, exact=True).bounding_box()["height"] < 500, region
    page.get_by_role("region", name="Jobs and tasks").get_by_role("link").click()
    facts = page.locator("#task-facts")
    assert facts.bounding_box()["height"] < 300
    expect(facts.get_by_role("link", name=name.strip())).to_be_visible()


@pytest.mark.parametrize("width", [1280, 900])
def test_a_long_name_squeezes_no_other_column(page: Any, work: Any, unique: str, width: int):
    work.deploy(ASK, unique, name="w" * 1000)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/processes")
    row = page.get_by_role("table", name="Processes").get_by_role("row").filter(has_text=unique)
    assert row.get_by_text(unique, exact=True).bounding_box()["height"] < 30  # one line
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_fields_of_a_form_begin_where_its_heading_does(browse: Any, work: Any, unique: str):
    work.broker.client.deploy((f"{unique}.form", form(unique, DINNER)))
    work.deploy(f"start > ask:user(assignee=demo, form={unique}) > end", unique)
    work.create(unique)
    page = browse(viewport={"width": 360, "height": 780})
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    shown = page.get_by_role("region", name="Form")
    field, heading = shown.get_by_role("textbox").bounding_box(), shown.get_by_role("heading").bounding_box()
    assert abs(field["x"] - heading["x"]) < 4
    assert abs(field["width"] - heading["width"]) < 8
    mark = shown.get_by_role("link", name="bpmn.io").bounding_box()
    assert mark["x"] + mark["width"] <= 360


def test_the_marks_of_a_form_are_seen_in_the_dark(browse: Any, work: Any, unique: str):
    fields = [one for one in FIELDS if one["type"] in ("number", "datetime", "radio", "table", "dynamiclist")]
    work.broker.client.deploy((f"{unique}.form", form(unique, *fields)))
    work.deploy(f"start > ask:user(assignee=demo, form={unique}) > end", unique)
    work.create(unique)
    page = browse(color_scheme="dark")
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    shown = page.get_by_role("region", name="Form")
    arrow = shown.locator(".fjs-number-arrow-container svg").first
    assert arrow.bounding_box()["width"] >= 8
    marks = shown.locator(".fjs-input-adornment svg, .fjs-repeat-row-remove svg, .fjs-number-arrow-container svg, th")
    lights = marks.evaluate_all(
        "marks => marks.map((one) => Math.max(...getComputedStyle(one).color.match(/[\\d.]+/g).slice(0, 3)))"
    )
    assert len(lights) >= 8
    assert min(lights) > 150
    assert shown.get_by_role("radio").first.evaluate("one => getComputedStyle(one).appearance") == "none"


CONTRAST_MIN = 4.5  # of a text with its ground, so that it can be read
CONTRAST = """one => {
  const light = (part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const lights = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(light);
  const luminance = (color) => lights(color).reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const { color, backgroundColor } = getComputedStyle(one);
  const [dark, bright] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}"""


def shown_form(browse: Any, work: Any, unique: str, look: str, fields: list[dict[str, Any]]) -> Any:
    """The form of a task with these *fields*, in the light or the dark."""
    work.broker.client.deploy((f"{unique}.form", form(unique, *fields)))
    work.deploy(f"start > ask:user(assignee=demo, form={unique}) > end", unique)
    work.create(unique)
    page = browse(color_scheme=look)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    return page.get_by_role("region", name="Form")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_option_that_enter_chooses_can_be_read(browse: Any, work: Any, unique: str, look: str):
    fields = [one for one in FIELDS if one.get("key") in ("country", "town", "tags", "hour")]
    shown = shown_form(browse, work, unique, look, fields)
    for field in fields:
        box = shown.locator(f".fjs-form-field-{field['type']}").filter(has_text=field.get("label", "Hour"))
        box.locator(".fjs-input-group, .fjs-taglist").first.click()
        option = box.locator(".fjs-dropdownlist-item.focused")
        expect(option).to_be_visible()
        assert option.evaluate(CONTRAST) >= CONTRAST_MIN, field["key"]
        shown.get_by_role("heading", name="Form").click()  # the list would cover the next field


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_days_of_a_calendar_can_be_read_and_times_stand_below_their_field(
    browse: Any, work: Any, unique: str, look: str
):
    shown = shown_form(browse, work, unique, look, [one for one in FIELDS if one["type"] == "datetime"])
    shown.locator(".fjs-datepicker input").first.click()
    for part in (
        ".flatpickr-weekday",
        ".flatpickr-day:not(.nextMonthDay)",
        ".flatpickr-day.nextMonthDay",
        ".cur-month, .flatpickr-monthDropdown-months",
    ):
        assert shown.locator(f".flatpickr-calendar.open :is({part})").last.evaluate(CONTRAST) >= CONTRAST_MIN, part
    shown.get_by_role("heading", name="Form").click()
    time = shown.locator(".fjs-timepicker input").first
    time.click()
    field, times = time.bounding_box(), shown.locator(".fjs-timepicker .fjs-dropdownlist").bounding_box()
    assert times["y"] >= field["y"] + field["height"]


def test_a_job_that_was_done_in_the_end_says_that_an_earlier_try_failed(page: Any, work: Any, unique: str):
    work.deploy(f"start > work:job(type={unique}) > ask:user > end", unique)
    key = work.create(unique)
    base = f"http://127.0.0.1:{work.broker.broker.http_port}/v2/jobs"
    asked = {"type": unique, "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000, "worker": "w"}

    def job() -> str:
        [found] = httpx.post(f"{base}/activation", json=asked, timeout=ANSWER_S).json()["jobs"]
        return f"{base}/{found['jobKey']}"

    httpx.post(f"{job()}/failure", json={"retries": 2, "errorMessage": "no flour"}).raise_for_status()
    page.goto(f"/instances/{key}")
    state = (
        page.get_by_role("region", name="Jobs and tasks")
        .get_by_role("row")
        .filter(has_text=unique)
        .get_by_role("cell")
        .nth(2)
    )
    expect(state).to_have_text(re.compile(r"^Failed\s*no flour\s*$"))
    httpx.post(f"{job()}/completion", json={}).raise_for_status()
    expect(state).to_have_text(re.compile(r"^Completed\s*An earlier try failed:\s+no flour\s*$"))


def test_another_page_of_a_list_is_read_from_its_first_row(page: Any, work: Any, unique: str):
    work.deploy('start > ask:user(items="=for i in 1..51 return i") > end', unique)
    key = work.create(unique)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("link", name="Next page").press("Enter")
    expect(page.get_by_role("list", name="Tasks").get_by_role("link")).to_have_count(1)
    expect(page.get_by_role("list", name="Tasks").get_by_role("link").first).to_be_focused()
    page.goto(f"/instances/{key}")
    tasks = page.get_by_role("region", name="Jobs and tasks")
    tasks.get_by_role("link", name="Next page").press("Enter")
    expect(tasks.get_by_role("row")).to_have_count(2)
    expect(tasks.get_by_role("link", name="First page")).to_be_focused()
    expect(tasks).to_be_in_viewport()


def test_enter_at_the_box_of_a_row_opens_the_row_and_does_nothing_to_those_chosen(page: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    box = page.get_by_role("checkbox", name="Select ask")
    box.check()
    box.press("Enter")
    task = page.get_by_role("region", name="Task", exact=True)
    expect(task.get_by_role("button", name="Claim", exact=True)).to_be_visible()  # nobody has claimed it


def test_a_number_on_the_diagram_stands_on_one_line_however_long(page: Any, work: Any, unique: str):
    work.deploy('start > ask:user(items="=for i in 1..12 return i") > end', unique)
    page.goto(f"/instances/{work.create(unique)}")
    badge = page.locator("osmia-diagram .badge[data-token-state=active]")
    expect(badge).to_have_text("12")
    height = badge.evaluate("(badge) => { const range = document.createRange(); range.selectNodeContents(badge); return range.getBoundingClientRect().height; }")  # fmt: skip
    assert height < 20


def test_what_a_wide_table_hides_does_not_widen_the_page(page: Any, work: Any, unique: str):
    work.deploy("start > ask:user > end", unique)
    page.set_viewport_size({"width": 768, "height": 800})
    page.goto(f"/instances/{work.create(unique)}")
    expect(page.get_by_role("region", name="Jobs and tasks").get_by_role("row")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768


def test_what_takes_only_an_object_offers_no_text(page: Any, work: Any, unique: str):
    work.deploy("start > ask:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    page.get_by_role("button", name="Modify…").click()
    dialog = page.get_by_role("dialog", name="Modify")
    dialog.get_by_role("textbox", name="Variables (JSON)").fill("{x")
    dialog.get_by_role("button", name="Modify").click()
    expect(dialog.get_by_text("Not valid JSON")).to_be_visible()
    expect(dialog.get_by_role("button", name="Use as text")).to_have_count(0)
    dialog.get_by_role("textbox", name="Variables (JSON)").fill('"x"')
    dialog.get_by_role("button", name="Modify").click()
    expect(dialog.get_by_text("but found a text (line 1, column 1).")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Add variable").click()
    page.get_by_role("textbox", name="Variable name").fill("x")
    page.get_by_role("textbox", name="Variable value").fill("{x")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Use as text")).to_be_visible()


def test_a_long_label_of_a_form_is_whole_on_a_phone(open_form: Any):
    label = "Amount in euro, without what was paid before, and in whole numbers alone"
    page = open_form({"type": "number", "label": label, "key": "amount"})
    page.set_viewport_size({"width": 360, "height": 740})
    shown = page.locator(".fjs-form-field-label", has_text="Amount in euro")
    assert shown.evaluate("(label) => label.scrollWidth <= label.clientWidth && label.clientHeight > 25")


def test_on_a_phone_a_list_has_a_box_for_all_of_its_rows(page: Any, work: Any, unique: str):
    work.deploy(ASK, unique)
    work.create(unique)
    work.create(unique)
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"/instances?process={unique}")
    page.get_by_text("Select all", exact=True).click()
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Started")).to_have_css("clip-path", "inset(50%)")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 768, "height": 800})
    expect(page.get_by_text("Select all", exact=True)).to_be_hidden()
    expect(page.get_by_role("checkbox", name="Select all rows")).to_be_checked()
