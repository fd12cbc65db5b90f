"""The training room: a run's curves, runs compared, trials narrowed, and a run's other pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look, draw, faults
from tests.e2e.signing_in import create_project
from tests.e2e.training_scene import make_scene
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Scene:
    address: str
    runs: list[int]
    search: int


@pytest.fixture(scope="module")
def scene(running_freshet: WholeSystem, cookies: list[dict[str, Any]]) -> Scene:
    address = create_project(running_freshet, "trained", cookies=cookies)
    made = make_scene(running_freshet.environment, "trained")
    return Scene(address, made["runs"], made["searches"][0])


def test_it_reads_a_runs_curves_by_pointer_and_keyboard(styled_page: Page, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}runs/{scene.runs[0]}/")
    panel = page.get_by_role("region", name="AUC", exact=True)
    chart = panel.get_by_role("group", name="AUC")
    expect(chart.locator("canvas")).to_be_visible()
    chart.focus()
    chart.press("Home")
    expect(panel.locator(".where")).to_contain_text("31 Jan")
    expect(page.locator("[aria-live=polite]").last).to_contain_text("grouped by user 0.5")
    page.get_by_label("Examples", exact=True).check()
    chart.press("End")
    expect(panel.locator(".where")).to_have_text("57,536 examples")
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=4)
    page.mouse.up()
    whole = page.get_by_role("button", name="Whole run")
    expect(whole).to_be_enabled()
    whole.click()
    expect(whole).to_be_disabled()
    page.get_by_label("Smoothing").press("End")
    page.get_by_label("As tables").check()
    expect(panel.get_by_role("columnheader", name="grouped by user")).to_be_visible()
    page.get_by_label("As tables").uncheck()
    expect(chart.locator("canvas")).to_be_visible()


def test_it_compares_runs_that_were_ticked(styled_page: Page, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}runs/")
    for run in scene.runs:
        page.get_by_label(f"Compare run {run}").check()
    page.get_by_role("button", name="Compare those ticked").click()
    newest_first = ",".join(str(run) for run in reversed(scene.runs))
    expect(page).to_have_url(re.compile(rf"\?runs={newest_first}$"))
    panel = page.get_by_role("region", name="AUC", exact=True)
    expect(panel.locator("canvas")).to_be_visible()
    expect(panel.locator("[data-legend]")).to_contain_text(f"run {scene.runs[0]}")
    expect(page.get_by_role("row", name="training.batch_size")).to_contain_text("64")


def test_it_narrows_trials_by_keyboard(styled_page: Page, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}searches/")
    page.get_by_role("link", name=str(scene.search), exact=True).click()
    told = page.locator("[data-brushed]")
    expect(told).to_have_text("12 of 12 trials with a value")
    page.get_by_label("training.batch_size from").press("End")
    expect(told).to_have_text("4 of 12 trials with a value")
    expect(page.locator("[data-trials] tr[data-trial]:visible")).to_have_count(4)
    page.get_by_role("button", name="All trials").click()
    expect(told).to_have_text("12 of 12 trials with a value")


def test_it_shows_slices_slots_log_and_details(styled_page: Page, look: Look, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}runs/{scene.runs[0]}/")
    tabs = page.get_by_role("navigation", name="Of this run")
    tabs.get_by_role("link", name="Slices").click()
    expect(page.get_by_role("region", name="AUC", exact=True).locator("canvas")).to_be_visible()
    draw(page, "shows_a_runs_slices", look)
    assert faults(page) == []
    tabs.get_by_role("link", name="Slots and tables").click()
    page.get_by_role("link", name="Rows").first.click()
    expect(page.get_by_role("table").first.get_by_role("rowheader").first).to_have_text("item_id")
    draw(page, "shows_a_runs_slots", look)
    assert faults(page) == []
    tabs.get_by_role("link", name="Details").click()
    draw(page, "shows_a_runs_details", look)
    assert faults(page) == []
    tabs.get_by_role("link", name="Log").click()
    page.get_by_label("Show").select_option("warning")
    expect(page.get_by_role("log")).to_contain_text("3 examples stepped over")
    expect(page.get_by_role("log")).not_to_contain_text("started")
