"""The diagram: badges, flows taken, buttons, the keyboard; and files that cannot be drawn."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.operating import complete_task


def badge(page, element: str, state: str):
    return page.locator(f'[role=img][data-element-id="{element}"][data-token-state="{state}"]')


def test_tokens_are_badges_that_follow_what_happens(page, work, unique):
    work.deploy("start > ask:user(name=Decide) > end", unique)
    key = work.create(unique)
    page.goto(f"/instances/{key}")
    expect(badge(page, "ask", "active")).to_have_text("1")
    expect(page.get_by_role("img", name="1 active")).to_have_attribute("data-element-id", "ask")
    expect(badge(page, "start", "completed")).to_have_attribute("aria-label", "1 completed")
    tokens = page.get_by_role("region", name="Tokens").get_by_role("list").first
    expect(tokens.get_by_role("listitem")).to_have_text(["Decide: 1 active"])
    complete_task(work, key)
    expect(badge(page, "ask", "completed")).to_have_text("1")
    expect(badge(page, "ask", "active")).to_have_count(0)
    expect(badge(page, "end", "completed")).to_have_text("1")
    expect(page.get_by_role("region", name="Summary")).to_contain_text("Completed")


def test_several_tokens_are_one_badge_with_their_sum(page, work, unique):
    work.deploy('start > ask:user(items="=[1,2,3]", item=n) > end', unique)
    page.goto(f"/instances/{work.create(unique)}")
    expect(badge(page, "ask", "active")).to_have_attribute("aria-label", "3 active")
    expect(page.get_by_role("region", name="Tokens")).to_contain_text("ask: 3 active")


def test_flows_that_were_taken_are_marked(page, work, unique):
    work.deploy("start > pick:exclusive [n > 1 -> big:user > e:end | else -> small:user > e2:end]", unique)
    page.goto(f"/instances/{work.create(unique, n=2)}")
    expect(page.locator('g.taken[data-element-id="pick_to_big"]')).to_be_visible()
    expect(page.locator('g[data-element-id="pick_to_small"]')).to_be_attached()
    expect(page.locator('g.taken[data-element-id="pick_to_small"]')).to_have_count(0)


def test_a_click_on_an_element_narrows_the_page_and_another_one_widens_it(page, work, unique):
    work.deploy("start > fork:parallel [a:user > e:end | b:user > e2:end]", unique)
    key = work.create(unique)
    page.goto(f"/instances/{key}")
    page.locator('g.djs-element[data-element-id="a"]').click()
    expect(page).to_have_url(f"/instances/{key}?element=a")
    history = page.get_by_role("region", name="History").get_by_role("treeitem")
    expect(history).to_have_count(1)
    expect(page.locator('g.marked[data-element-id="a"]')).to_be_attached()
    page.reload()
    expect(history).to_have_count(1)
    page.locator('g.marked[data-element-id="a"]').click()
    expect(page).to_have_url(f"/instances/{key}")
    expect(history).to_have_count(4)


def test_elements_are_reached_and_chosen_by_keyboard(page, work, unique):
    work.deploy("start > a:user(name=Ask) > end", unique)
    key = work.create(unique)
    page.goto(f"/instances/{key}")
    page.get_by_role("region", name="Diagram").get_by_role("button", name="start").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Ask")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"/instances/{key}?element=a")
    expect(page.get_by_role("button", name="Ask", pressed=True)).to_be_focused()


def test_the_buttons_zoom(page, work, unique):
    work.deploy("start > a:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    diagram = page.get_by_role("region", name="Diagram")
    viewport = page.locator("osmia-diagram g.viewport")
    expect(diagram.get_by_role("button", name="Zoom in")).to_be_visible()
    fitted = viewport.get_attribute("transform")
    diagram.get_by_role("button", name="Zoom in").click()
    assert viewport.get_attribute("transform") != fitted
    diagram.get_by_role("button", name="Zoom out").click()
    diagram.get_by_role("button", name="Zoom out").click()
    assert viewport.get_attribute("transform") != fitted
    diagram.get_by_role("button", name="Fit", exact=True).click()
    expect(viewport).to_have_attribute("transform", fitted)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_mark_of_bpmn_io_is_visible_on_a_light_ground(browse, work, unique, look):
    page = browse(color_scheme=look)
    work.deploy("start > a:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    mark = page.locator(".bjs-powered-by")
    expect(mark).to_be_visible()
    box = mark.bounding_box()
    on_top = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y)?.closest('.bjs-powered-by') !== null",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert on_top
    ground = page.locator("osmia-diagram").evaluate("one => getComputedStyle(one).backgroundColor")
    parts = [int(number) for number in ground.removeprefix("rgb(").removesuffix(")").split(",")]
    assert min(parts) > 200  # the mark is of a dark grey
    assert (parts == [255, 255, 255]) == (look == "light")  # in the dark, white is a lamp


def test_a_legend_says_what_the_numbers_mean(page, work, unique):
    process = work.deploy("start > a:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    legend = page.get_by_role("region", name="Diagram").get_by_role("list", name="Numbers on the diagram")
    expect(legend.get_by_role("listitem")).to_have_text(["1 active", "1 incident", "1 completed", "1 canceled"])
    page.goto(f"/processes/{process}")  # which shows what is there now only
    legend = page.get_by_role("region", name="Diagram").get_by_role("list", name="Numbers on the diagram")
    expect(legend.get_by_role("listitem")).to_have_text(["1 active", "1 incident"])


def test_a_short_process_is_shown_as_a_whole_on_a_phone(browse, work):
    work.deploy_xml((Path(__file__).parent.parent.parent / "examples" / "dinner.bpmn").read_bytes(), "dinner")
    page = browse(viewport={"width": 360, "height": 780})
    page.goto(f"/instances/{work.create('dinner')}")
    last = page.get_by_role("region", name="Diagram").get_by_role("button", name="Full")
    expect(last).to_be_visible()
    canvas, end = page.locator("osmia-diagram").bounding_box(), last.bounding_box()
    assert end["x"] + end["width"] <= canvas["x"] + canvas["width"]


def test_the_viewer_is_loaded_only_by_pages_with_a_diagram(page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/instances")
    expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
    assert not [url for url in asked if "bpmn-js" in url]


def test_a_file_that_cannot_be_drawn_is_explained_and_the_page_works(page, work, unique):
    work.deploy("start > a:user > end", unique)
    page.route("**/xml", lambda route: route.fulfill(body="<not xml", content_type="application/xml"))
    page.goto(f"/instances/{work.create(unique)}")
    expect(page.get_by_role("region", name="Diagram")).to_contain_text("This process cannot be drawn")
    expect(page.get_by_role("region", name="Tokens")).to_contain_text("a: 1 active")


def test_ids_and_names_of_a_model_are_no_markup(page, work, unique):
    work.deploy('start > a:user(name="<img src=x onerror=alert(1)>") > end', unique)
    page.goto(f"/instances/{work.create(unique)}")
    expect(page.get_by_role("region", name="Tokens")).to_contain_text("<img src=x onerror=alert(1)>: 1 active")
    expect(badge(page, "a", "active")).to_have_text("1")
    assert page.locator("img").count() == 0


def test_a_thousand_elements_are_drawn(page, work, unique):
    work.deploy("start > " + " > ".join(f"t{n}:task" for n in range(1000)) + " > ask:user > end", unique)
    key = work.create(unique)
    page.goto(f"/instances/{key}")
    expect(badge(page, "ask", "active")).to_have_text("1")
    expect(page.get_by_role("region", name="History").get_by_role("treeitem")).to_have_count(100)
    page.get_by_role("navigation", name="Pages of the history").get_by_role("link", name="Next page").click()
    expect(page.get_by_role("region", name="History").get_by_role("treeitem").first).to_contain_text("t99")


# --- the file


@pytest.mark.parametrize("dialect", ["zeebe", "activiti"])
def test_a_file_without_positions_gets_some(site, work, unique, dialect):
    key = work.deploy("start > a:user > end", unique, dialect=dialect)
    answer = httpx.get(f"{site}/processes/{key}/xml")
    assert answer.headers["content-type"].startswith("application/xml")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert b"BPMNShape" in answer.content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_drawn_file_reaches_the_page_in_utf_8(site, work, unique, encoding):
    text = (
        Path("examples/dinner.bpmn")
        .read_text("utf-8")
        .replace('"dinner"', f'"{unique}"')
        .replace("Prepare dinner", "Käse")
    )
    content = text.replace("UTF-8", encoding, 1).encode(encoding)
    key = work.deploy_xml(content, unique)
    shown = httpx.get(f"{site}/processes/{key}/xml").content.decode()
    assert ("Käse" in shown, 'encoding="utf-8"' in shown.lower()) == (True, True)
    assert httpx.get(f"{site}/processes/{key}/download").content == content


@pytest.mark.parametrize("key", ["1", "0", "9" * 30, "x"])
def test_an_unknown_definition_is_not_found(site, key):
    assert httpx.get(f"{site}/processes/{key}/xml").status_code == 404


def test_the_numbers_of_a_diagram_are_data(page, work, unique):
    """Attributes that were broken by hand must not break the page."""
    work.deploy("start > a:user > end", unique)
    page.goto(f"/instances/{work.create(unique)}")
    expect(badge(page, "a", "active")).to_have_text("1")
    diagram = page.locator("osmia-diagram")
    diagram.evaluate("one => one.setAttribute('data-tokens', '{')")
    expect(badge(page, "a", "active")).to_have_count(0)
    numbers = json.dumps([{"elementId": "nowhere", "active": 1}, {"elementId": "a", "canceled": 2}])
    diagram.evaluate("(one, numbers) => one.setAttribute('data-tokens', numbers)", numbers)
    expect(badge(page, "a", "canceled")).to_have_attribute("aria-label", "2 canceled")


def test_a_badge_at_an_event_does_not_cover_its_name(page, work, unique):
    model = Path("examples/dinner.bpmn").read_bytes().replace(b'"dinner"', f'"{unique}"'.encode())
    work.deploy_xml(model, unique)
    page.goto(f"/instances/{work.create(unique)}")
    expect(badge(page, "hungry", "completed")).to_be_visible()
    mark = badge(page, "hungry", "completed").bounding_box()
    name = page.locator('[data-element-id="hungry_label"] text').bounding_box()
    assert mark["y"] + mark["height"] <= name["y"]
