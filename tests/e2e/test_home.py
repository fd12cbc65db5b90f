"""A project's home, from empty on: what to do next, and numbers that arrive by themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look

pytestmark = pytest.mark.timeout(600)


def test_it_leads_from_empty_and_follows_what_happens(
    styled_page: Page, look: Look, new_project: Callable[[str], str], post_events: Callable[[str, int], None]
) -> None:
    page = styled_page
    home = new_project(f"homely-{look.scheme}")
    page.goto(home)
    steps = page.locator(".steps li")
    expect(steps.filter(has_text="Train it")).to_contain_text("Waits for events and a model.")
    expect(page.locator("[data-live-mark]")).to_have_text("live")
    post_events(home, 25)
    # nobody reloads: the stream brings it
    events = page.locator("[data-cell=events]")
    expect(events).to_contain_text("accepted in the last hour")
    expect(page.locator("#totals > div", has_text="Events accepted").locator("dd")).not_to_have_text(
        "0", timeout=60_000
    )
    page.reload()
    expect(steps.filter(has_text="Define a model")).to_have_class("next")
    steps.filter(has_text="Define a model").get_by_role("link", name="New model").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
