"""An event that another producer wrote straight to the topic: refused, looked at, let in by a new schema, replayed, joined."""

from __future__ import annotations

import json
import time

import pytest
from playwright.sync_api import Page, expect

from engine.spec.example import Example
from engine.streams import open_log, topics
from engine.streams.log import Record
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)

SLUG = "wire"
SCHEMA = {"users": {}, "items": {}, "events": {"impression": {"role": "impression"}, "click": {}, "share": {}}}
LONG_MS = 120_000


def produce(system: WholeSystem, *documents: dict[str, str]) -> None:
    log = open_log(system.log_url)
    now_ms = time.time_ns() // 1_000_000
    try:
        log.append(topics.events(SLUG), [Record(one["user_id"], json.dumps(one).encode(), now_ms) for one in documents])
    finally:
        log.close()


def example_ids(system: WholeSystem) -> list[str]:
    log = open_log(system.log_url)
    try:
        return [Example.from_bytes(record.value).example_id for record in log.read(topics.examples(SLUG), 0, 0)]
    finally:
        log.close()


def test_it_turns_a_refused_event_into_an_example_once_the_schema_takes_it(
    page: Page, running_freshet: WholeSystem
) -> None:
    sign_in_and_create_project(page, running_freshet)
    share = {"event_id": "s1", "type": "share", "user_id": "ann", "item_id": "tea"}
    produce(running_freshet, share, {**share, "event_id": "c1", "type": "click"})
    page.goto(f"/p/{SLUG}/data/inbox")
    # the page asks by itself until there is something to show
    page.get_by_role("link", name="Unknown event type").click(timeout=LONG_MS)
    page.get_by_role("link", name="0:0").click()
    expect(page.locator("pre")).to_contain_text('"event_id": "s1"')
    expect(page.get_by_text("must be one of the declared event types")).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("1 event still break a rule, and stay.")).to_be_visible()
    page.get_by_role("link", name="Fix the schema").click()
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_label("Document", exact=True).fill(json.dumps(SCHEMA))
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Version 2 is in force.")).to_be_visible()
    page.goto(f"/p/{SLUG}/data/inbox")
    page.get_by_role("button", name="Replay all of Unknown event type").click()
    expect(page.get_by_text("1 event replayed.")).to_be_visible()
    expect(page.get_by_text("Nothing was refused.")).to_be_visible()
    wait_for_examples(page, running_freshet, ["c1", "s1"])


def sign_in_and_create_project(page: Page, system: WholeSystem) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(system.username)
    page.get_by_label("Password").fill(system.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name", exact=True).fill("Wire")
    page.get_by_label("Short name").fill(SLUG)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("0 of 7 done")).to_be_visible()


def wait_for_examples(page: Page, system: WholeSystem, expected: list[str]) -> None:
    for _ in range(LONG_MS // 500):
        if example_ids(system) == expected:
            return
        page.wait_for_timeout(500)
    assert example_ids(system) == expected
