"""Where one can go inside a project: the groups of the console's menu, and which entry a page belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Place:
    """One entry. `url_name` also marks the page itself; `pages` are the keys that pages below it say they belong to."""

    label: str
    url_name: str
    pages: tuple[str, ...] = ()
    of_project: bool = True


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Group:
    name: str
    entries: list[Entry]


GROUPS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("", (Place("Overview", "overview"),)),
    (
        "Data",
        (
            Place("Events", "events", ("data",)),
            Place("Event debugger", "event_debugger"),
            Place("Users", "users", ("user",)),
            Place("Items", "items", ("item",)),
            Place("Schema", "schema"),
            Place("Inbox", "inbox"),
            Place("Insights", "insights"),
            Place("Imports", "imports"),
            Place("Exports", "exports"),
        ),
    ),
    (
        "Learning",
        (
            Place("Models", "models"),
            Place("Training runs", "runs"),
            Place("Searches", "searches"),
            Place("Parameter sync", "sync"),
        ),
    ),
    (
        "Serving",
        (
            Place("Deployments", "deployments"),
            Place("Experiments", "experiments"),
            Place("Inspector", "inspector"),
            Place("Try it", "try_it"),
            Place("Batches", "batches"),
        ),
    ),
    (
        "Operate",
        (
            Place("Jobs", "jobs"),
            Place("Alerts", "alerts"),
            Place("API keys", "api_keys"),
            Place("Members", "members"),
            Place("Audit log", "audit"),
            Place("API reference", "api_reference", ("api_operation",)),
        ),
    ),
)


def navigation_of(*, slug: str, page: str, url_name: str) -> list[Group]:
    """The menu of project `slug`, with one entry marked: the one whose address this is, else the one that `page` names.

    A place whose address does not exist is left out, and a group without places too.
    """
    current = _current(page, url_name)
    groups = []
    for name, places in GROUPS:
        entries = [
            Entry(place.label, url, place.label == current) for place in places if (url := _address(place, slug))
        ]
        if entries:
            groups.append(Group(name, entries))
    return groups


def _current(page: str, url_name: str) -> str | None:
    places = [place for _, of_group in GROUPS for place in of_group]
    by_address = next((place.label for place in places if place.url_name == url_name), None)
    return by_address or next((place.label for place in places if page in (place.url_name, *place.pages)), None)


def _address(place: Place, slug: str) -> str:
    return address_of(place.url_name, *([slug] if place.of_project else []))


def address_of(url_name: str, *parts: object) -> str:
    """The page's address; empty where there is no such page."""
    try:
        return reverse(url_name, args=parts)
    except NoReverseMatch:
        return ""
