"""Every page of a full project in the browser, at both looks, without a fault: of axe, the content policy, scripts, or width."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from deploy.launcher.environment import ROOT
from tests.e2e.looks import DARK, LIGHT, Look, draw, faults, open_context, watch
from tests.e2e.whole_system import WholeSystem
from tests.population.crawling import crawl, pages_expected

pytestmark = pytest.mark.timeout(1200)

SLUG = "crowded"


@pytest.fixture(scope="module")
def crowded(running_freshet: WholeSystem) -> str:
    """The short name of a project that has something on every page."""
    command = [sys.executable, "-m", "tests.population", SLUG, running_freshet.username]
    environment = {**os.environ, **running_freshet.environment}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return SLUG


def look_so(page: Page, look: Look) -> None:
    page.set_viewport_size({"width": look.width, "height": look.height})
    page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")


def test_no_page_has_a_fault_at_either_look(
    chromium: Browser, running_freshet: WholeSystem, cookies: list[dict[str, Any]], crowded: str
) -> None:
    with open_context(chromium, running_freshet, LIGHT, cookies) as context:
        page = context.new_page()
        errors = watch(page)
        found: list[str] = []
        visited = set()

        def open_page(address: str) -> str | None:
            plain = context.request.get(address, max_redirects=0)
            if plain.status == 302 or not plain.headers.get("content-type", "").startswith("text/html"):
                return None
            if not plain.ok:
                found.append(f"{address} answers {plain.status}")
                return None
            page.goto(address)
            return page.content()

        for kind, _ in crawl(crowded, open_page):
            visited.add(kind)
            for look in (LIGHT, DARK):
                look_so(page, look)
                draw(page, f"page-{kind}", look)
                found += [f"{look.name}: {fault}" for fault in faults(page)]
            look_so(page, LIGHT)
        assert [*errors, *found] == []
        missing = pages_expected() - visited
        assert missing == set()
