"""The frame around every page: a menu that needs no script and no width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.looks import DARK, Look
from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(600)


def test_it_says_where_one_is_and_leads_elsewhere(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    styled_page.goto(new_project("framed"))
    menu = styled_page.get_by_role("navigation", name="Project")
    if look is DARK:
        expect(menu).to_be_hidden()
        styled_page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Parameter sync").click()
    expect(styled_page.get_by_role("heading", level=1)).to_have_text("Parameter sync")
    if look is DARK:
        expect(styled_page.locator(".bar .here")).to_have_text("Learning / Parameter sync")
        styled_page.get_by_role("button", name="Menu").click()
    expect(menu.locator("[aria-current=page]")).to_have_text("Parameter sync")


def test_it_opens_the_menu_without_javascript(
    chromium: Browser, running_freshet: WholeSystem, cookies: list[dict[str, str]], new_project: Callable[[str], str]
) -> None:
    address = new_project("framed")
    with chromium.new_context(
        base_url=running_freshet.base_url, viewport={"width": 390, "height": 800}, java_script_enabled=False
    ) as plain:
        plain.add_cookies(cookies)  # type: ignore[arg-type]
        page = plain.new_page()
        page.goto(address)
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("navigation", name="Project").get_by_role("link", name="Models").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Models")
