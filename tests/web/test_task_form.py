"""Forms of tasks: deployed ones, embedded ones, form properties; what they check and what they send."""

import re

from playwright.sync_api import expect

from tests.bpmn import bpmn
from tests.web.forms import DINNER, GUESTS, form, region


def test_a_form_comes_first_and_the_variables_fold_below(open_form):
    page = open_form(DINNER, GUESTS, guests=4)
    fields = region(page, "Form")
    expect(fields.get_by_role("textbox", name="What do we eat?")).to_have_value("")
    expect(fields.get_by_role("textbox", name="Guests")).to_have_value("4")
    expect(region(page, "Variables").get_by_role("textbox", name="Value of guests")).to_be_hidden()
    expect(page.locator(".fjs-powered-by")).to_be_visible()


def test_an_invalid_field_says_so_and_nothing_is_sent(open_form):
    page = open_form(GUESTS, DINNER, guests=4)
    field = region(page, "Form").get_by_role("textbox", name="What do we eat?")
    expect(field).to_be_visible()
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/complete" in request.url else None)
    page.get_by_role("button", name="Complete task").click()
    expect(region(page, "Form").get_by_text("Field is required.")).to_be_visible()
    expect(field).to_be_focused()
    assert not sent
    field.fill("pizza")
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_a_form_that_is_still_being_loaded_is_checked_before_it_is_sent(browse, work, unique):
    work.broker.client.deploy((f"{unique}.form", form(unique, DINNER)))
    work.deploy(f"start > ask:user(assignee=demo, form_id={unique}) > end", unique)
    work.create(unique)
    page = browse()
    held, sent = [], []
    page.route("**/form-viewer.umd.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it is given
    page.on("request", lambda request: sent.append(request.url) if "/complete" in request.url else None)
    page.goto(f"/tasks?process={unique}")
    with page.expect_request("**/form-viewer.umd.js"):
        page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("button", name="Complete task")).to_be_visible()
    assert not sent
    for route in held:
        route.continue_()
    expect(region(page, "Form").get_by_text("Field is required.")).to_be_visible()
    assert not sent
    region(page, "Form").get_by_role("textbox", name="What do we eat?").fill("pizza")
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_the_values_of_a_form_become_variables(open_form, work, unique):
    page = open_form(DINNER, GUESTS)
    fields = region(page, "Form")
    fields.get_by_role("textbox", name="What do we eat?").fill('"<b>soup</b>"')
    fields.get_by_role("textbox", name="Guests").fill("3")
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="next").click()
    variables = region(page, "Variables")
    expect(variables.get_by_role("textbox", name="Value of dinner")).to_have_value('"\\"<b>soup</b>\\""')
    expect(variables.get_by_role("textbox", name="Value of guests")).to_have_value("3")


def test_what_was_typed_while_the_form_is_drawn_anew_is_sent(open_form):
    page = open_form(DINNER)
    field = region(page, "Form").get_by_role("textbox", name="What do we eat?")
    expect(field).to_be_visible()
    field.evaluate(
        """field => {
            field.value = 'soup';
            field.dispatchEvent(new Event('input', { bubbles: true }));
            document.querySelector('osmia-form').form.setProperty('readOnly', false);
        }"""
    )
    page.get_by_role("button", name="Complete task").click()
    page.get_by_role("list", name="Tasks").get_by_role("link", name="next").click()
    variables = region(page, "Variables")
    expect(variables.get_by_role("textbox", name="Value of dinner")).to_have_value('"soup"')


def test_what_was_typed_into_a_form_is_kept_as_a_draft(open_form):
    page = open_form(DINNER)
    region(page, "Form").get_by_role("textbox", name="What do we eat?").fill("sou")
    expect(page.get_by_role("button", name="Discard draft")).to_be_visible()
    page.reload()
    expect(region(page, "Form").get_by_role("textbox", name="What do we eat?")).to_have_value("sou")


def test_a_form_that_has_left_the_page_is_not_saved(open_form):
    page = open_form(DINNER)
    expect(region(page, "Form").get_by_role("textbox", name="What do we eat?")).to_be_visible()
    drafts = []
    page.on("request", lambda request: drafts.append(request.url) if "/draft" in request.url else None)
    page.evaluate("""() => {
        const form = document.getElementById('task-form');
        form.querySelector('osmia-form').dispatchEvent(new CustomEvent('osmia:typed', { bubbles: true }));
        form.remove();
        document.querySelector('a[href="/instances"]').click();
    }""")
    expect(page.get_by_role("heading", name="Instances", level=1)).to_be_visible()
    assert not drafts


def test_a_form_of_a_free_task_says_that_it_is_to_be_claimed(page, work, unique):
    work.broker.client.deploy((f"{unique}.form", form(unique, DINNER)))
    work.deploy(f"start > ask:user(form_id={unique}) > end", unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    advice = region(page, "Form").get_by_text("Claim this task to fill in its form.")
    expect(advice).to_be_visible()
    page.get_by_role("button", name="Claim", exact=True).click()
    expect(region(page, "Form").get_by_role("textbox", name="What do we eat?")).to_be_editable()
    expect(advice).to_have_count(0)


def test_a_form_of_somebody_elses_task_is_only_shown(open_form, browse):
    page = open_form(DINNER, dinner="pizza")
    expect(region(page, "Form").get_by_role("textbox", name="What do we eat?")).to_be_visible()
    other = browse("ada")
    other.goto(page.url)
    field = region(other, "Form").get_by_role("textbox", name="What do we eat?")
    expect(field).to_have_value("pizza")
    expect(field).to_have_js_property("readOnly", True)


def test_a_form_in_the_model_is_shown(page, work, unique):
    content = form("inner", DINNER).decode()
    extra = f'<bpmn:extensionElements><zeebe:userTaskForm id="inner"><![CDATA[{content}]]></zeebe:userTaskForm></bpmn:extensionElements>'
    xml = bpmn('start > ask:user(assignee=demo, form="camunda-forms:bpmn:inner") > end', id=unique)
    head, tail = xml.decode().split('isExecutable="true">', 1)
    work.deploy_xml(f'{head}isExecutable="true">{extra}{tail}'.encode(), unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    expect(region(page, "Form").get_by_role("textbox", name="What do we eat?")).to_be_visible()


PROPERTIES = """<bpmn:extensionElements>
  <activiti:formProperty id="dinner" name="What do we eat?" type="string" required="true"/>
  <activiti:formProperty id="guests" name="Guests" type="long" default="2"/>
  <activiti:formProperty id="drink" name="Drink" type="enum"><activiti:value id="w" name="Water"/></activiti:formProperty>
  <activiti:formProperty id="quick" name="Quick" type="boolean"/>
  <activiti:formProperty id="secret" name="Secret" type="string" readable="false"/>
</bpmn:extensionElements>"""


def test_form_properties_make_a_form(page, work, unique):
    xml = bpmn("start > ask:user(assignee=demo) > end", id=unique, dialect="activiti").decode()
    task = re.search(r"<bpmn:userTask [^>]*>", xml)
    assert task is not None
    work.deploy_xml(xml.replace(task[0], task[0] + PROPERTIES).encode(), unique)
    work.create(unique)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    fields = region(page, "Form")
    expect(fields.get_by_role("textbox", name="Guests")).to_have_value("2")
    expect(fields.get_by_role("checkbox", name="Quick")).to_be_visible()
    expect(fields.get_by_text("Secret")).to_have_count(0)
    fields.get_by_role("textbox", name="What do we eat?").fill("soup")
    page.get_by_role("button", name="Complete task").click()
    expect(page.get_by_role("status")).to_have_text("Task completed.")


def test_a_form_that_is_not_there_is_named_and_the_variables_remain(page, work, unique):
    work.deploy("start > ask:user(assignee=demo, form=lost-form) > end", unique)
    work.create(unique, amount=1)
    page.goto(f"/tasks?process={unique}")
    page.get_by_role("list", name="Tasks").get_by_role("link", name="ask").click()
    expect(page.get_by_role("alert")).to_contain_text("lost-form")
    expect(region(page, "Variables").get_by_role("textbox", name="Value of amount")).to_be_visible()
