"""Models in a browser: a definition written in its form and in its JSON, drawn and estimated while it is written, and compared."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look, draw, faults

pytestmark = pytest.mark.timeout(600)


def test_it_writes_a_model_in_its_form_and_in_its_json(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, home = styled_page, new_project(f"models-{look.name[:4]}")
    page.goto(f"{home}models/start")
    page.get_by_role("link", name="DeepFM", exact=True).click()
    page.get_by_label("Name", exact=True).fill("ranker")
    text = page.get_by_label("The definition as JSON")

    page.locator('[name="slots.0.dim"]').fill("wide")
    expect(page.locator("#standing")).to_contain_text("line 3")
    expect(page.locator('[name="slots.0.dim"]')).to_have_attribute("aria-invalid", "true")
    page.locator('[name="slots.0.dim"]').fill("16")
    expect(page.locator("#standing")).to_contain_text("to publish")
    expect(page.locator('[name="slots.0.dim"]')).not_to_have_attribute("aria-invalid", "true")

    page.locator('[name="architecture.deepfm.hidden"]').fill("128, 32")
    expect(text).to_have_value(re.compile(r'"hidden": \[128, 32\]'))
    expect(page.locator(".architecture").get_by_text("128 → 32")).to_be_visible()

    text.fill(text.input_value().replace("[128, 32]", "[96]"))
    expect(page.locator('[name="architecture.deepfm.hidden"]')).to_have_value("96")

    slots = page.locator('[name$=".name"][name^="slots."]')
    num_slots = slots.count()
    page.get_by_role("button", name="Add a slot").click()
    expect(slots).to_have_count(num_slots + 1)
    page.get_by_role("button", name=f"Remove slot {num_slots + 1}").click()
    expect(slots).to_have_count(num_slots)
    page.get_by_text("What it will take").click()
    assert faults(page) == []
    draw(page, "model_form", look)

    page.get_by_role("button", name="Create the model").click()
    expect(page.get_by_text("ranker v1 is written")).to_be_visible()
    page.get_by_role("link", name="Change it").click()
    page.locator('[name="architecture.deepfm.hidden"]').fill("8")
    page.get_by_role("button", name="Publish the next version").click()
    expect(page.get_by_text("ranker v2 is written")).to_be_visible()
    draw(page, "model", look)
    page.get_by_role("link", name="Compare versions").click()
    expect(page.get_by_text("Every slot goes on with the rows")).to_be_visible()
