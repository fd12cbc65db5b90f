"""The way of a project's data through the console: a file guessed, its schema proposed, taken in, seen over time, and exported again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.looks import Look, draw, faults

pytestmark = pytest.mark.timeout(600)

LONG_MS = 120_000


def shop_file(path: Path) -> Path:
    """Visits and purchases of the last hour, with a row that is none."""
    now = int(time.time())
    lines = ["visitorid,event,itemid,timestamp,price"]
    for number in range(120):
        event = "transaction" if number % 10 == 0 else "view"
        lines.append(f"v{number % 9},{event},{number % 17},{now - 4000 + 30 * number},{number % 7}.5")
    lines.append(f"v1,view,,{now},1.0")
    path.write_text("\n".join(lines) + "\n")
    return path


def judged(page: Page, name: str, look: Look) -> None:
    draw(page, name, look)
    assert faults(page) == []


def test_it_takes_a_file_from_upload_to_picture_and_out_again(
    styled_page: Page, look: Look, new_project: Callable[[str], str], tmp_path: Path
) -> None:
    page, address = styled_page, new_project(f"data-{look.name}")
    page.goto(f"{address}data/imports/")
    page.get_by_label("File").set_input_files(shop_file(tmp_path / "shop.csv"))
    page.get_by_role("button", name="Upload and look at it").click()
    expect(page.get_by_label("What visitorid is for")).to_have_value("user_id")
    expect(page.get_by_label("Times are")).to_have_value("s")
    # a choice is kept and judged at once
    page.get_by_label("What price is for").select_option("leave")
    expect(page.get_by_label("Property that price becomes")).to_have_count(0)
    page.get_by_label("What price is for").select_option("property")
    expect(page.get_by_label("Type of price")).to_have_value("float")
    judged(page, "import_draft", look)
    page.get_by_role("button", name="Add to the schema").click()
    expect(page.locator("#preview")).to_contain_text("events of this type are taken")
    page.get_by_label("Note").fill("what the shop sends")
    judged(page, "schema_form", look)
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("1 of the first 121 rows would be rejected")).to_be_visible()
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("finished", timeout=LONG_MS)
    page.reload()
    expect(page.get_by_role("link", name="Download as CSV")).to_be_visible()
    judged(page, "import_done", look)
    page.goto(f"{address}data/exports/")
    page.get_by_label("Format").select_option("csv")
    page.get_by_role("button", name="Start the export").click()
    with page.expect_download(timeout=LONG_MS) as download:
        page.get_by_role("link", name="Download CSV").click(timeout=LONG_MS)
    assert len(Path(download.value.path()).read_text().splitlines()) == 121
    judged(page, "export_done", look)
    page.goto(f"{address}data/")
    # the page asks by itself until the events are counted
    expect(page.get_by_role("img", name="Events by type, last hour, in events")).to_be_visible(timeout=LONG_MS)


def test_it_says_what_a_change_of_the_schema_means_as_one_types(
    styled_page: Page, look: Look, new_project: Callable[[str], str]
) -> None:
    page, address = styled_page, new_project(f"schema-{look.name}")
    page.goto(f"{address}schema/edit")
    page.get_by_role("button", name="Add an item property").click()
    page.locator('[name="items.2.name"]').fill("brand")
    page.locator('[name="items.2.type"]').select_option("string")
    page.get_by_label("Required").last.check()
    means = page.locator("#preview")
    expect(means).to_contain_text("item.brand")
    page.locator('[name="items.2.name"]').fill("title")
    expect(means).to_contain_text("is there twice")
    page.locator('[name="items.2.name"]').fill("brand")
    expect(means).to_contain_text("ready")
    # the JSON follows the form, and is taken back into it
    json = page.get_by_label("The document as JSON")
    expect(json).to_have_value(re.compile('"brand"'))
    json.fill(json.input_value().replace('"brand"', '"maker"'))
    expect(means).to_contain_text("item.maker")
    page.get_by_role("button", name="Take the JSON into the form").click()
    expect(page.locator('[name="items.2.name"]')).to_have_value("maker")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Version 2 is in force.")).to_be_visible()
