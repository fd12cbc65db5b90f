"""The console without JavaScript, and at the width of a phone."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)

PAGES = ["", "schema/", "schema/edit", "data/", "data/upload", "data/rejected", "data/inbox", "data/items", "data/users",
         "models/", "models/new", "runs/", "sync/", "deployments/", "experiments/", "try/", "keys/"]  # fmt: skip


def sign_in(page: Page, system: WholeSystem) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(system.username)
    page.get_by_label("Password").fill(system.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Projects", exact=True)).to_be_visible()


def create_project(page: Page, slug: str) -> None:
    page.get_by_label("Name", exact=True).fill(slug.capitalize())
    page.get_by_label("Short name").fill(slug)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="From empty to live")).to_be_visible()


def test_it_defines_a_model_without_javascript(chromium: Browser, running_freshet: WholeSystem) -> None:
    with chromium.new_context(base_url=running_freshet.base_url, java_script_enabled=False) as plain:
        page = plain.new_page()
        sign_in(page, running_freshet)
        create_project(page, "plain")
        page.goto("/p/plain/models/new?architecture=deepfm")
        page.get_by_label("Name", exact=True).fill("ranker")
        page.get_by_role("button", name="Remove slot 5").click()
        page.get_by_role("button", name="Add a slot").click()
        last = page.locator('[name$=".name"][name^="slots."]').last
        expect(last).to_have_value("")
        last.fill("again")
        page.locator('select[name$=".source"]').last.select_option("item.category")
        page.get_by_role("button", name="Take the form into the JSON").click()
        document = json.loads(page.get_by_label("The definition as JSON").input_value())
        assert [slot["name"] for slot in document["slots"]][-1] == "again"
        page.get_by_role("button", name="Create the model").click()
        expect(page.get_by_text("ranker v1 is written")).to_be_visible()
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_text("1 model.", exact=True)).to_be_visible()


def test_it_fits_a_phone(context: BrowserContext, page: Page, running_freshet: WholeSystem) -> None:
    sign_in(page, running_freshet)
    create_project(page, "pocket")
    page.set_viewport_size({"width": 390, "height": 800})
    for address in PAGES:
        page.goto(f"/p/pocket/{address}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{address} is {width} px wide"
        expect(page.locator(".bar .here b")).to_be_in_viewport()


def test_it_reaches_the_content_by_keyboard(page: Page, running_freshet: WholeSystem) -> None:
    sign_in(page, running_freshet)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#main$"))


def test_it_adds_a_slot_and_previews_without_leaving_the_page(page: Page, running_freshet: WholeSystem) -> None:
    sign_in(page, running_freshet)
    create_project(page, "swift")
    page.goto("/p/swift/models/new")
    page.evaluate("window.stayed = true")
    page.get_by_label("Name", exact=True).fill("kept")
    slots = page.locator('[name$=".name"][name^="slots."]')
    num_before = slots.count()
    page.get_by_role("button", name="Add a slot").click()
    expect(slots).to_have_count(num_before + 1)
    slots.last.fill("another")
    expect(page.locator("#f-document")).to_have_value(re.compile('"name": "another"'))
    expect(page.locator("#standing")).to_contain_text("problem")
    page.get_by_role("button", name=f"Remove slot {num_before + 1}").click()
    expect(slots).to_have_count(num_before)
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    assert page.evaluate("window.stayed") is True
