"""Every page of a full project: it is there, asks the database as often for much as for little, and weighs little."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from engine.streams.log import EventLog
from tests.population.crawling import crawl, pages_expected
from tests.population.large import Much, enlarge
from tests.population.rich import populate
from tests.webapp.console.page import Page
from webapp.accounts.models import Account, Project
from webapp.core.remembered import forget_everything

# pages read the log by connections of its own: nothing may stand in a transaction that is open for the whole test
pytestmark = pytest.mark.django_db(transaction=True)

NUM_QUERIES_AT_MOST = 60
NUM_REQUESTS_AT_MOST = 16
PAGE_BYTES_AT_MOST = 300_000
ALL_BYTES_AT_MOST = 650_000
MUCH = Much(num_events=20_000, num_entities=3_000, num_refused=3_000, num_reported=2_000)
GROWS_BY_AT_MOST = 3


@pytest.fixture
def crowded(log: EventLog, account: Account) -> Project:
    return populate(slug="crowded", account=account)


def visit(browser: Client) -> dict[str, tuple[str, int, str]]:
    """By kind of page: its address, how many queries it took, its HTML. Fails for links that lead nowhere."""
    found: dict[str, tuple[str, int, str]] = {}
    last: list[tuple[int, str]] = []
    broken: list[str] = []

    def open_page(address: str) -> str | None:
        forget_everything()
        with CaptureQueriesContext(connection) as asked:
            answer = browser.get(address)
        if (
            answer.status_code == 302
            or answer.streaming
            or not answer.headers.get("Content-Type", "").startswith("text/html")
        ):
            return None
        if answer.status_code != 200:
            broken.append(f"{address} answers {answer.status_code}")
            return None
        last[:] = [(len(asked), answer.content.decode())]
        if "<html" not in last[0][1]:
            broken.append(f"{address} is linked to and is a part of a page")
        return last[0][1]

    for kind, address in crawl("crowded", open_page):
        found[kind] = (address, *last[0])
    assert broken == []
    return found


def assets_of(html: str) -> dict[str, int]:
    """Static files that the page names, and their bytes."""
    page = Page(html)
    named = [one["href"] for one in page.all("link", rel="stylesheet")] + [
        one["src"] for one in page.all("script") if one.get("src")
    ]
    found = {}
    for address in named:
        assert address is not None
        path = finders.find(address.removeprefix("/static/"))
        assert isinstance(path, str), f"{address} is not there"
        found[address] = Path(path).stat().st_size
    return found


def test_every_page_is_there_and_within_its_budget(browser: Client, crowded: Project) -> None:
    browser.raise_request_exception = False
    little = visit(browser)
    missing = pages_expected() - set(little)
    assert missing == set()
    enlarge(crowded, MUCH)
    much = visit(browser)
    faults = []
    for kind, (address, num_queries, html) in much.items():
        before = little[kind][1] if kind in little else num_queries
        assets = assets_of(html)
        num_bytes = len(html.encode())
        if num_queries > before + GROWS_BY_AT_MOST or num_queries > NUM_QUERIES_AT_MOST:
            faults.append(f"{address} takes {num_queries} queries, {before} of little")
        if num_bytes > PAGE_BYTES_AT_MOST or num_bytes + sum(assets.values()) > ALL_BYTES_AT_MOST:
            faults.append(f"{address} has {num_bytes:,} bytes and {sum(assets.values()):,} of {len(assets)} files")
        if 1 + len(assets) > NUM_REQUESTS_AT_MOST:
            faults.append(f"{address} takes {1 + len(assets)} requests")
    assert faults == []
