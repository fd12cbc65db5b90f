"""The console's menu: groups in order, one entry marked, nothing that leads nowhere."""

from __future__ import annotations

import pytest

from webapp.core import navigation
from webapp.core.navigation import Group, Place, navigation_of


def marked(groups: list[Group]) -> list[str]:
    return [entry.label for group in groups for entry in group.entries if entry.is_current]


@pytest.mark.parametrize(
    ("page", "url_name", "expected"),
    [
        ("overview", "overview", ["Overview"]),
        ("data", "items", ["Items"]),  # the address itself says more than the page's key
        ("data", "rejected_rows", ["Events"]),
        ("models", "model_edit", ["Models"]),
        ("", "home", []),
    ],
)
def test_it_marks_the_entry_a_page_belongs_to(page: str, url_name: str, expected: list[str]) -> None:
    assert marked(navigation_of(slug="shop", page=page, url_name=url_name)) == expected


def test_it_leaves_out_what_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    places = ("Data", (Place("Events", "events"), Place("Nowhere", "no_such_address")))
    monkeypatch.setattr(navigation, "GROUPS", (places, ("Empty", (Place("Nowhere", "no_such_address"),))))
    groups = navigation_of(slug="shop", page="", url_name="")
    assert [(group.name, [entry.url for entry in group.entries]) for group in groups] == [("Data", ["/p/shop/data/"])]
