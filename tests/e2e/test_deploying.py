"""The serving room: a document edited beside what it would answer, an experiment promoted and undone, a recommendation inspected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.deploying_scene import make_scene
from tests.e2e.looks import Look, draw, faults
from tests.e2e.signing_in import create_project
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)

LATE_MS = 120_000


@dataclass(frozen=True)
class Scene:
    address: str
    recommendation_id: str


@pytest.fixture(scope="module")
def scene(running_freshet: WholeSystem, cookies: list[dict[str, Any]]) -> Scene:
    address = create_project(running_freshet, "serving-room", cookies=cookies)
    secret = make_scene(running_freshet.environment, "serving-room")
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=f"{running_freshet.base_url}/api/v1", headers=headers, timeout=60) as api:
        recommended = _recommended(api)
        item_id = recommended["items"][1]["item_id"]
        event = {"event_id": "clicked-once", "type": "click", "user_id": "ana", "item_id": item_id}
        posted = api.post("/events", json=[event | {"recommendation_id": recommended["recommendation_id"]}])
        assert posted.status_code < 300, posted.text
    return Scene(address, recommended["recommendation_id"])


def _recommended(api: httpx.Client) -> dict[str, Any]:
    """As soon as a replica serves the new deployment."""
    until_s = time.monotonic() + LATE_MS / 1000
    while True:
        answer = api.post("/recommend", json={"user_id": "ana", "k": 3, "timeout_ms": 5_000})
        found: dict[str, Any] = answer.json()
        if answer.status_code == 200 and found["items"] and not found["degraded"]:
            return found
        assert time.monotonic() < until_s, answer.text
        time.sleep(0.5)


def test_it_edits_a_document_beside_what_it_would_answer(styled_page: Page, look: Look, scene: Scene) -> None:
    page, preview = styled_page, styled_page.locator("#preview-answer")
    page.goto(f"{scene.address}deployments/main/document")
    page.get_by_label("User", exact=True).fill("")
    page.get_by_label("Expression").fill("item.price < 5 and item.prize = 1")
    expect(page.locator("#x-filter")).to_contain_text("At character 20", timeout=LATE_MS)
    expect(preview).to_contain_text("nothing is compared")
    page.get_by_label("Expression").fill("item.price < 5")
    expect(page.locator("#x-filter")).to_contain_text("Holds for 3 of 5 items", timeout=LATE_MS)
    expect(preview).to_contain_text("2 gone", timeout=LATE_MS)
    expect(preview).to_contain_text("the deployment's filter does not hold")
    draw(page, "document_preview", look)
    assert faults(page) == []
    with page.expect_response("**/document/preview", timeout=LATE_MS):  # else leaving the page would cut it off
        page.get_by_label("Note").fill(f"cheap only, {look.name}")
    page.get_by_role("button", name="Save revision").click()
    expect(page.get_by_text("replicas follow within seconds").first).to_be_visible()
    page.get_by_text("Roll back…").click()
    page.get_by_role("button", name="Roll back to revision").click()
    expect(page.locator(".note.good", has_text="replicas switch within seconds")).to_be_visible()
    expect(page.get_by_role("table", name="Revisions of main")).to_contain_text("Filter")


def test_it_inspects_what_was_given_and_runs_it_again(styled_page: Page, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}inspector/")
    page.get_by_role("textbox", name="Recommendation").fill(scene.recommendation_id)
    page.get_by_role("button", name="Inspect", exact=True).click()
    shown = page.get_by_role("region", name="As it was shown")
    expect(shown).to_contain_text("ana")
    expect(shown.get_by_role("link", name="click")).to_have_attribute(
        "href", "/p/serving-room/data/debugger/trace?event_id=clicked-once"
    )
    expect(page.get_by_role("region", name="The same request, run again now")).to_contain_text(
        "places are as they were", timeout=LATE_MS
    )
    page.get_by_text("at retrieval: the user acted on it before").click()
    expect(page.get_by_role("region", name="The answer")).to_contain_text("latest")


def test_it_promotes_an_arm_and_undoes_it(styled_page: Page, scene: Scene) -> None:
    page = styled_page
    page.goto(f"{scene.address}experiments/split/")
    expect(page.get_by_role("region", name="click_rate")).to_contain_text("surely more")
    expect(page.get_by_role("region", name="Guardrails")).to_contain_text("holding")
    page.get_by_role("row", name="next").get_by_text("Promote…").first.click()
    page.get_by_role("button", name="Promote next").click()
    expect(page.locator(".note.good", has_text="next answers by default")).to_be_visible()
    page.get_by_text("Roll back…").click()
    page.get_by_role("button", name="Back to main by default").click()
    expect(page.locator(".note.good", has_text="main answers by default again")).to_be_visible()
