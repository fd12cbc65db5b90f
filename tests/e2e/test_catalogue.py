"""Users and items in a real browser: made, found, changed, and erased with a receipt that fills itself."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look

pytestmark = pytest.mark.timeout(600)

LONG_MS = 120_000


def test_catalogue_item_is_made_found_and_hidden(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, place = styled_page, new_project(f"shelf-{look.name}")
    page.goto(f"{place}data/items")
    page.get_by_role("link", name="New item").click()
    page.get_by_role("textbox", name="Id").fill("tea/1")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="Item tea/1")).to_be_visible()
    page.get_by_role("button", name="Hide").click()
    expect(page.get_by_text("tea/1 is recommended no more.")).to_be_visible()
    page.goto(f"{place}data/items")
    page.get_by_label("Search", exact=True).fill("tea")
    page.get_by_label("Shown").select_option("only hidden")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("q=tea"))
    page.get_by_role("link", name="tea/1", exact=True).click()
    expect(page.get_by_text("Hidden here")).to_be_visible()


def test_catalogue_user_is_erased_with_a_receipt(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, place = styled_page, new_project(f"shelf-{look.name}")
    page.goto(f"{place}data/new/users")
    page.get_by_role("textbox", name="Id").fill("ann")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete user and erase").click()
    expect(page.get_by_role("heading", name="Erasure of user ann")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Joiner"))
    # the page follows by itself until the joiner has come to the order
    expect(row.get_by_text("erased")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("Whatever could be erased is erased")).to_be_visible(timeout=LONG_MS)
    page.goto(f"{place}data/users/ann")
    expect(page.get_by_text("There is no such user.")).to_be_visible()
    page.goto(f"{place}erasures/")
