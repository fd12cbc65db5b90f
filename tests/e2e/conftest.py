"""One running Freshet and one browser for all end-to-end tests; a page of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e import signing_in
from tests.e2e.browser import ARGUMENTS, chromium_path
from tests.e2e.looks import LOOKS, Look, draw, faults, open_context, watch
from tests.e2e.signing_in import create_project, session_cookies
from tests.e2e.whole_system import WholeSystem, whole_system


@pytest.fixture(scope="session")
def running_freshet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    with whole_system(tmp_path_factory.mktemp("freshet")) as system:
        yield system


@pytest.fixture(scope="session")
def cookies(running_freshet: WholeSystem) -> list[dict[str, Any]]:
    """Those of the system's account, signed in."""
    return session_cookies(running_freshet)


@pytest.fixture
def new_project(running_freshet: WholeSystem, cookies: list[dict[str, Any]]) -> Callable[[str], str]:
    """`new_project("tea")` makes a project of that short name and gives its address, `/p/tea/`."""
    return lambda slug: create_project(running_freshet, slug, cookies=cookies)


@pytest.fixture
def post_events(running_freshet: WholeSystem, cookies: list[dict[str, Any]]) -> Callable[[str, int], None]:
    """`post_events("/p/tea/", 25)` sends so many clicks through the public API."""
    return lambda address, num: signing_in.post_events(running_freshet, address.split("/")[2], num, cookies=cookies)


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


@pytest.fixture(params=LOOKS, ids=lambda look: look.name)
def look(request: pytest.FixtureRequest) -> Look:
    """Light at 1280 px, and dark at 390 px."""
    chosen: Look = request.param
    return chosen


@pytest.fixture
def styled_page(
    chromium: Browser,
    running_freshet: WholeSystem,
    cookies: list[dict[str, Any]],
    look: Look,
    request: pytest.FixtureRequest,
) -> Iterator[Page]:
    """A signed-in page at each of the two looks.

    When the test is over, the page that it ends on is drawn into `reports/screens/<test>-<look>.png` and must be without
    faults: no error of a script, no refusal by the content policy, no scrolling sideways, nothing serious for axe. Judge
    pages on the way with `looks.draw` and `looks.faults`.
    """
    with open_context(chromium, running_freshet, look, cookies) as context:
        opened = context.new_page()
        errors = watch(opened)
        yield opened
        draw(opened, request.node.originalname.removeprefix("test_it_").removeprefix("test_"), look)
        assert errors == []
        assert faults(opened) == []
