"""The event debugger and the parameter-sync page: one event seen arriving, the tail, and a past that is there when the page opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look, draw, faults
from tests.e2e.signing_in import create_project
from tests.e2e.tracing_scene import make_tracing_scene
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)
PATIENT_MS = 60_000


@dataclass(frozen=True)
class Scene:
    base_url: str
    address: str
    key: str

    def send(self, *events: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.base_url}/api/v1/events", json=list(events), headers=headers, timeout=30)
        assert answer.status_code in (200, 400), answer.text


@pytest.fixture(scope="module")
def scene(running_freshet: WholeSystem, cookies: list[dict[str, Any]]) -> Scene:
    address = create_project(running_freshet, "traced", cookies=cookies)
    made = make_tracing_scene(running_freshet.environment, "traced")
    return Scene(running_freshet.base_url, address, made["key"])


def test_it_sees_an_event_arrive_and_what_became_of_it(styled_page: Page, scene: Scene, look: Look) -> None:
    page, event_id = styled_page, f"click-{look.name}"
    page.goto(f"{scene.address}data/debugger/trace?event_id={event_id}")
    expect(page.get_by_role("heading", name="Not received yet")).to_be_visible()
    expect(page.locator("[data-live-mark]")).to_have_text("live", timeout=PATIENT_MS)
    scene.send({"event_id": event_id, "type": "click", "user_id": "ann", "item_id": "tea"})
    way = page.get_by_role("region", name="Its way")
    expect(way.get_by_text("Partition 0, offset")).to_be_visible(timeout=PATIENT_MS)
    expect(page.get_by_role("region", name="Examples").get_by_text("stands alone")).to_be_visible(timeout=PATIENT_MS)
    draw(page, "an_event_on_its_way", look)
    assert faults(page) == []

    page.goto(f"{scene.address}data/debugger/")
    expect(page.locator("[data-live-mark]")).to_have_text("live", timeout=PATIENT_MS)
    scene.send({"event_id": f"wrong-{look.name}", "type": "clik", "user_id": "bob"})
    refused = page.locator("tr.verdict-rejected", has_text="bob").first
    expect(refused).to_contain_text("client", timeout=PATIENT_MS)
    expect(page.locator("tr.why").first).to_contain_text("must be one of the declared event types")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-live-mark]")).to_have_text("paused")
    num_rows = page.locator("[data-tail] > tr").count()
    scene.send({"event_id": f"later-{look.name}", "type": "click", "user_id": "ann", "item_id": "jam"})
    page.wait_for_timeout(1200)
    assert page.locator("[data-tail] > tr").count() == num_rows
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("[data-tail]")).to_contain_text("jam", timeout=PATIENT_MS)


def test_it_shows_how_sync_went_and_sets_its_pace(styled_page: Page, scene: Scene, look: Look) -> None:
    page = styled_page
    page.goto(f"{scene.address}sync/ranker/v1/?window=1h")
    expect(page.get_by_role("region", name="Freshness of each event measured")).to_contain_text("within 5 s")
    expect(page.get_by_role("region", name="Touched rows by slot").get_by_role("img")).to_be_visible()
    expect(page.get_by_role("region", name="Resyncs")).to_contain_text("Its tables were not the trainer's")
    page.get_by_label("Sync interval, in seconds").fill("2.5")
    page.get_by_role("button", name="Set", exact=True).click()
    publishing = page.get_by_role("region", name="Publishing")
    expect(publishing).to_contain_text("every 2.5 s, set by")
    publishing.get_by_role("button", name="As the definition says").click()
    expect(publishing).to_contain_text("as the definition says")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
