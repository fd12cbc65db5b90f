"""One running Freshet and one browser for all end-to-end tests; a page of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.browser import ARGUMENTS, chromium_path
from tests.e2e.whole_system import WholeSystem, whole_system


@pytest.fixture(scope="session")
def running_freshet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    with whole_system(tmp_path_factory.mktemp("freshet")) as system:
        yield system


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ends with its module: Playwright keeps an event loop running in this thread, where no other can be started meanwhile."""
    path = chromium_path()
    with sync_playwright() as playwright:
        # Playwright gives every launch a new, empty profile folder and removes it afterwards.
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, running_freshet: WholeSystem) -> Iterator[BrowserContext]:
    """A browser session nobody has signed in to; relative addresses are the running system's."""
    with chromium.new_context(base_url=running_freshet.base_url, viewport={"width": 1280, "height": 900}) as opened:
        opened.set_default_timeout(30_000)
        yield opened


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """Fails the test for an error in the page's own scripts."""
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.screenshot(path=tmp_path / "last.png", full_page=True)
    assert errors == []
