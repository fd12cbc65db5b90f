"""What one does to operate a project: keys, members, alerts, jobs, and what the audit log says of it; and a call that is tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.looks import Look, draw, faults
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)


def test_it_makes_rotates_and_revokes_a_key(styled_page: Page, look: Look, new_project: Callable[[str], str]) -> None:
    page, address = styled_page, new_project(f"keys-{look.name}")
    page.goto(f"{address}keys/")
    page.get_by_label("Name", exact=True).fill("storefront")
    page.get_by_label("Ends").select_option("in 90 days")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("[data-secret]")).to_contain_text("fk_")
    page.get_by_label("Rotate storefront").click()
    page.get_by_role("button", name="Rotate storefront").click()
    expect(page.get_by_text("Copy the key storefront now")).to_be_visible()
    page.goto(f"{address}keys/")
    page.get_by_label("Revoke storefront").first.click()
    expect(page.get_by_text("It cannot be undone.").first).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Revoke storefront").first.click()
    expect(page.get_by_text("Key storefront no longer works.")).to_be_visible()


def test_it_invites_a_viewer_who_joins_and_changes_nothing(
    styled_page: Page, look: Look, new_project: Callable[[str], str], chromium: Browser, running_freshet: WholeSystem
) -> None:
    page, address = styled_page, new_project(f"members-{look.name}")
    page.goto(f"{address}members/")
    page.get_by_label("For whom").fill("Bea")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("[data-link]").inner_text()
    with chromium.new_context(base_url=running_freshet.base_url) as theirs:
        guest = theirs.new_page()
        guest.goto(link)
        guest.get_by_label("Username").fill(f"bea-{look.name}")
        guest.get_by_label("Password").fill("a long enough password")
        guest.get_by_role("button", name="Make an account and join").click()
        expect(guest.get_by_text("Welcome to")).to_be_visible()
        guest.goto(f"{address}keys/")
        expect(guest.get_by_role("heading", name="What each scope allows")).to_be_visible()
        expect(guest.get_by_role("button", name="Create key")).to_have_count(0)
    page.goto(f"{address}members/")
    page.get_by_label(f"Role of bea-{look.name}", exact=True).select_option("Editor")
    page.get_by_role("button", name=f"Set the role of bea-{look.name}").click()
    expect(page.get_by_text(f"bea-{look.name} is editor.")).to_be_visible()


def test_it_sets_rules_tells_a_channel_and_finds_it_all_in_the_audit_log(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, address = styled_page, new_project(f"alerts-{look.name}")
    page.goto(f"{address}alerts/rules")
    page.get_by_label("Limit of Disk in %").fill("80")
    page.get_by_role("button", name="Save the rules").click()
    expect(page.get_by_text("Changed: Disk.")).to_be_visible()
    draw(page, "alert_rules", look)
    page.goto(f"{address}alerts/channels")
    page.get_by_label("To", exact=True).fill("http://127.0.0.1:9/hook")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("[data-secret]")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("which is not a public address").first).to_be_visible()
    assert faults(page) == []
    draw(page, "alert_channels", look)
    page.goto(f"{address}audit/")
    page.get_by_label("Did what").fill("alert_rules_save")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("Details").click()
    expect(page.locator("pre")).to_contain_text('"threshold": 80.0')


def test_it_sees_living_workers_and_periodic_tasks(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, address = styled_page, new_project(f"jobs-{look.name}")
    page.goto(f"{address}jobs/")
    expect(page.get_by_text("Nothing was asked for yet.")).to_be_visible()
    page.get_by_role("link", name="Processes and queues").click()
    expect(page.get_by_text("nobody serves it")).to_have_count(0)
    alerts = page.get_by_role("row", name="freshet.alerts")
    for _ in range(60):
        if alerts.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(alerts).to_contain_text("done")


def test_it_tries_a_call_with_a_key_of_its_own(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, address = styled_page, new_project(f"reference-{look.name}")
    page.goto(f"{address}api/")
    page.get_by_role("searchbox", name="Find an operation").fill("post events")
    expect(page.get_by_role("heading", name="Models")).to_be_hidden()
    draw(page, "api_reference", look)
    page.get_by_role("link", name="POST /api/v1/events Send events", exact=True).click()
    page.get_by_role("button", name="Send", exact=True).click()
    answer = page.locator("[data-answer]")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text('"accepted": 1')
    expect(answer).to_contain_text(" ms")
    kept = f"freshet-key-for-trying:reference-{look.name}"
    secret = page.evaluate("(name) => JSON.parse(sessionStorage.getItem(name)).secret", kept)
    assert secret.startswith("fk_")
    assert secret not in page.content()
