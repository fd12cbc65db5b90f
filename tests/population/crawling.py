"""Going over every page of a project: from link to link, one address of each kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve

from webapp.core.navigation import GROUPS

SITE = "http://testserver"
OF_A_KIND = 1
"""So many addresses are visited of the same page with other parts."""

BELOW_THE_MENU = frozenset({
    "user", "item", "run", "run_quality", "run_tables", "run_log", "run_details", "sync_model", "deployment", "deployment_document",
    "experiment", "batch", "import", "model", "model_edit", "model_new", "schema_edit", "schema_version", "dead_events", "dead_event",
    "search", "search_new", "rejected_rows", "event_trace", "export",
})  # fmt: skip
"""Pages that are reached by links inside pages."""


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href") and "download" not in given:
            self.found.append(str(given["href"]))


def links_in(html: str, address: str) -> list[str]:
    """Addresses on this site that the page links to, without their fragments."""
    parser = _Links()
    parser.feed(html)
    site = urlsplit(address).netloc
    parts = (urlsplit(urljoin(address, href)) for href in parser.found)
    return [
        one.path + (f"?{one.query}" if one.query else "")
        for one in parts
        if one.netloc == site and one.scheme != "mailto"
    ]


def kind_of(address: str) -> str:
    """The name of the page at this address; empty where there is none."""
    try:
        return resolve(urlsplit(address).path).url_name or ""
    except Resolver404:
        return ""


def crawl(slug: str, open_page: Callable[[str], str | None]) -> Iterator[tuple[str, str]]:
    """Visits the project's pages, breadth first, by `open_page`, which gives a page's HTML or None for what is no page.

    Yields (kind, address) after each page, while it is open.
    """
    start = f"/p/{slug}/"
    waiting, seen, visited = deque([start]), {start}, dict[str, int]()
    while waiting:
        address = waiting.popleft()
        kind = kind_of(address)
        if visited.get(kind, 0) >= OF_A_KIND:
            continue
        html = open_page(address)
        if html is None:
            continue
        visited[kind] = visited.get(kind, 0) + 1
        yield kind, address
        for link in links_in(html, f"{SITE}{address}"):
            if link.startswith(start) and link not in seen:
                seen.add(link)
                waiting.append(link)


def pages_expected() -> set[str]:
    """Every entry of the menu that has an address of its own in a project, and what is below."""
    return {place.url_name for _, places in GROUPS for place in places if place.of_project} | BELOW_THE_MENU
