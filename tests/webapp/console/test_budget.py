"""Every page of a full project: it is there, asks the database as often for much as for little, reads few rows, and weighs little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
NUM_ROWS_AT_MOST = 2_500
"""That a page reads of all its queries: it takes about a millisecond for each hundred."""

NUM_REQUESTS_AT_MOST = 16
PAGE_BYTES_AT_MOST = 300_000
ALL_BYTES_AT_MOST = 650_000
MUCH = Much(num_events=20_000, num_entities=3_000, num_refused=3_000, num_reported=2_000, history_s=7_200)
GROWS_BY_AT_MOST = 3
FURTHER_LOOKS = {"sync of a day": "/p/crowded/sync/?window=24h"}
"""Of pages that can ask for more than they do when they are opened."""


@dataclass(frozen=True)
class Look:
    address: str
    num_queries: int
    num_rows: int
    html: str


class RowsRead:
    """Counts them where queries are executed."""

    def __init__(self) -> None:
        self.num = 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        answer = execute(sql, params, many, context)
        if sql.lstrip().upper().startswith(("SELECT", "WITH")):
            self.num += max(0, context["cursor"].rowcount)
        return answer


@pytest.fixture
def crowded(log: EventLog, account: Account) -> Project:
    return populate(slug="crowded", account=account)


def visit(browser: Client) -> dict[str, Look]:
    """By kind of page. Fails for links that lead nowhere."""
    found: dict[str, Look] = {}
    last: list[Look] = []
    broken: list[str] = []

    def open_page(address: str) -> str | None:
        forget_everything()
        rows = RowsRead()
        with CaptureQueriesContext(connection) as asked, connection.execute_wrapper(rows):
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
        last[:] = [Look(address, len(asked), rows.num, answer.content.decode())]
        if "<html" not in last[0].html:
            broken.append(f"{address} is linked to and is a part of a page")
        return last[0].html

    for kind, _ in crawl("crowded", open_page):
        found[kind] = last[0]
    for kind, address in FURTHER_LOOKS.items():
        open_page(address)
        found[kind] = last[0]
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
    for kind, look in much.items():
        before = little.get(kind, look).num_queries
        assets = assets_of(look.html)
        num_bytes = len(look.html.encode())
        if look.num_queries > before + GROWS_BY_AT_MOST or look.num_queries > NUM_QUERIES_AT_MOST:
            faults.append(f"{look.address} takes {look.num_queries} queries, {before} of little")
        if look.num_rows > NUM_ROWS_AT_MOST:
            faults.append(f"{look.address} reads {look.num_rows:,} rows, {little.get(kind, look).num_rows:,} of little")
        if num_bytes > PAGE_BYTES_AT_MOST or num_bytes + sum(assets.values()) > ALL_BYTES_AT_MOST:
            faults.append(f"{look.address} has {num_bytes:,} bytes and {sum(assets.values()):,} of {len(assets)} files")
        if 1 + len(assets) > NUM_REQUESTS_AT_MOST:
            faults.append(f"{look.address} takes {1 + len(assets)} requests")
    assert not faults, "\n".join(faults)
