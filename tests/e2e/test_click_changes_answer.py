"""From signing in to a recommendation that changed after a click, through the browser and the whole running product."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.whole_system import WholeSystem

pytestmark = pytest.mark.timeout(900)

SCHEMA = {
    "users": {},
    "items": {"kind": {"type": "string"}},
    "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
    "join_window_s": 30,
}
NUM_USERS, NUM_ITEMS, NUM_CLICKS = 40, 24, 1500
LONG_MS = 180_000


def clicks_file(path: Path, *, num_clicks: int, seed: int) -> Path:
    """Even users click even items and odd users odd ones, so that there is something to learn."""
    choose = random.Random(seed)
    lines = ["reader,article,ts"]
    for number in range(num_clicks):
        user = choose.randrange(NUM_USERS)
        item = 2 * choose.randrange(NUM_ITEMS // 2) + user % 2
        lines.append(f"reader-{user},article-{item},{1_790_000_000 + seed * 1_000_000 + number}")
    path.write_text("\n".join(lines) + "\n")
    return path


def upload(page: Page, file: Path) -> None:
    """Its columns are guessed: reader, article, and seconds since 1970."""
    page.goto("/p/tea-shop/data/imports/")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload and look at it").click()
    expect(page.get_by_label("Every row is of type")).to_have_value("click")
    expect(page.get_by_label("Times are")).to_have_value("s")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("finished", timeout=LONG_MS)


def reload_until(page: Page, is_so: Callable[[], bool], *, patience_ms: int = LONG_MS) -> None:
    """The page is reloaded each half second until it says so: for what is not live."""
    for _ in range(patience_ms // 500):
        if is_so():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(f"{page.url} never came to say so:\n{page.locator('main').inner_text()}")


def number_in(page: Page, label: str) -> int:
    cell = page.locator(".strip > div", has=page.get_by_text(label, exact=True)).locator("dd")
    text = cell.inner_text().replace(",", "")
    return int(text) if text.isdigit() else 0


def ranked(page: Page, which: str) -> list[str]:
    """Each line of an answer: its item and its score."""
    lines = page.locator(f"[data-answer={which}] > li")
    return [
        f"{line.get_attribute('data-item')} {line.locator('.what .small').last.inner_text()}" for line in lines.all()
    ]


def test_it_changes_a_recommendation_after_a_click(
    page: Page, context: BrowserContext, running_freshet: WholeSystem, tmp_path: Path
) -> None:
    sign_in(page, running_freshet)
    create_project_and_schema(page)
    create_model(page)
    bring_events(page, tmp_path)
    train_in_batch(page)
    deploy(page)
    train_online(page)
    see_the_sync_page_move(page, context, tmp_path)
    see_an_answer_change(page)


def sign_in(page: Page, system: WholeSystem) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(system.username)
    page.get_by_label("Password").fill(system.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Projects", exact=True)).to_be_visible()


def create_project_and_schema(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("Tea shop")
    page.get_by_label("Short name").fill("tea-shop")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("0 of 7 done")).to_be_visible()
    page.goto("/p/tea-shop/schema/edit")
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_label("Document", exact=True).fill(json.dumps(SCHEMA))
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Version 2 is in force.")).to_be_visible()


def create_model(page: Page) -> None:
    page.goto("/p/tea-shop/models/new")
    page.get_by_label("Name", exact=True).fill("finder")
    for part in ("Embedding optimizer", "Training", "Parameter sync"):
        page.get_by_role("heading", name=part, exact=True).click()
    page.locator('[name="training.batch_size"]').fill("32")
    page.locator('[name="sparse_optimizer.learning_rate.value"]').fill("0.2")
    page.locator('[name="sync.interval_s"]').fill("0.5")
    page.locator('[name="training.batch_size"]').press("Tab")
    expect(page.locator("#f-document")).to_have_value(re.compile('"batch_size": 32'))
    page.get_by_role("button", name="Create the model").click()
    expect(page.get_by_text("finder v1 is written")).to_be_visible()


def bring_events(page: Page, folder: Path) -> None:
    upload(page, clicks_file(folder / "first.csv", num_clicks=NUM_CLICKS, seed=1))
    expect(page.get_by_role("region", name="Progress")).to_contain_text("1,500 of about 1,500 rows")
    page.goto("/p/tea-shop/")
    reload_until(page, lambda: number_in(page, "Examples joined") >= NUM_CLICKS)


def train_in_batch(page: Page) -> None:
    page.goto("/p/tea-shop/models/finder/")
    page.get_by_role("button", name="Train in batch").click()
    summary = page.locator("[data-summary]")
    expect(summary).to_contain_text("succeeded", timeout=LONG_MS)
    assert number_in(page, "Examples") >= NUM_CLICKS
    expect(page.locator(".chart canvas").first).to_be_visible()


def deploy(page: Page) -> None:
    page.goto("/p/tea-shop/models/finder/")
    page.get_by_role("link", name="Deploy", exact=True).click()
    expect(page.get_by_label("Retrieval")).to_have_value(page.get_by_label("Retrieval").input_value())
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("row", name="main")).to_contain_text("default")


def train_online(page: Page) -> None:
    page.goto("/p/tea-shop/models/finder/")
    page.get_by_role("button", name="Train online").click()
    expect(page.locator("[data-summary]")).to_contain_text("running", timeout=LONG_MS)


def see_the_sync_page_move(page: Page, context: BrowserContext, folder: Path) -> None:
    """While the page stays open, new events in another tab move both the trainer's and the replica's sequence."""
    page.goto("/p/tea-shop/sync/")
    replica = page.locator("[data-replica-sequence]")
    expect(replica).to_have_count(1, timeout=LONG_MS)
    trainer = page.locator("[data-trainer-sequence]")
    before = trainer.inner_text()
    other = context.new_page()
    upload(other, clicks_file(folder / "second.csv", num_clicks=300, seed=2))
    expect(other.get_by_role("region", name="Progress")).to_contain_text("300 of about 300 rows")
    other.close()
    expect(trainer).not_to_have_text(before, timeout=LONG_MS)
    page.wait_for_function(
        "number => Number(document.querySelector('[data-replica-sequence]').textContent.replace(/,/g, '')) > number",
        arg=int(before.replace(",", "")),
        timeout=LONG_MS,
    )
    expect(page.locator("[data-live-mark]")).to_have_text("live")


def see_an_answer_change(page: Page) -> None:
    page.goto("/p/tea-shop/try/")
    page.get_by_label("User").fill("somebody-new")
    page.get_by_label("How many").fill("8")
    page.get_by_role("button", name="Recommend").click()
    before = ranked(page, "before")
    assert len(before) == 8
    page.locator("[data-answer=before] > li").last.get_by_role("button").click()
    expect(page.locator("[data-verdict=served]")).to_contain_text("served after", timeout=LONG_MS)
    assert ranked(page, "before") == before
    after = ranked(page, "after")
    assert after
    assert after != before
