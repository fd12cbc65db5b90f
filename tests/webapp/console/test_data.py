"""Looking at what came in."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.catalog.services import item_put


def test_it_hides_an_item_and_shows_it_again(browser: Client, project: Project) -> None:
    item_put(project=project, item_id="tea & jam", properties={})
    address = reverse("items", args=[project.slug])
    for hidden, word in (("yes", "Show"), ("no", "Hide")):
        answer = browser.post(
            reverse("item_hide", args=[project.slug]), {"item_id": "tea & jam", "hidden": hidden, "back": "q=tea+%26"}
        )
        assert answer["Location"] == f"{address}?q=tea+%26"
        page = Page(browser.get(answer["Location"]).content.decode())
        assert word in page.words
        assert ("hidden" in page.words) is (hidden == "yes")


def test_it_hides_nothing_that_is_not_there(browser: Client, project: Project) -> None:
    assert (
        browser.post(reverse("item_hide", args=[project.slug]), {"item_id": "nil", "hidden": "yes"}).status_code == 404
    )


def test_it_finds_items_by_id_and_pages_through_them(browser: Client, project: Project) -> None:
    for number in range(55):
        item_put(project=project, item_id=f"book-{number:02}", properties={"title": f"Volume {number}"})
    address = reverse("items", args=[project.slug])
    first = Page(browser.get(address).content.decode())
    assert "book-49" in first.words
    assert "book-50" not in first.words
    following = first.all("a", rel="next")[0]["href"]
    second = Page(browser.get(address + str(following)).content.decode())
    assert "book-50" in second.words
    assert second.all("a", rel="next") == []
    found = Page(browser.get(address, {"q": "book-07"}).content.decode())
    assert "book-07" in found.words
    assert "book-08" not in found.words
