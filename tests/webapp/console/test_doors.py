"""Who may open which page, and what every page has."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.webapp.console.conftest import PASSWORD
from tests.webapp.console.page import Page
from webapp.accounts.models import Account, ApiKey, Project
from webapp.registry.first_definition import first_definition
from webapp.registry.selectors import schema_document
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put
from webapp.training.models import Run

PLAIN_PAGES = [
    "overview", "api_keys", "schema", "schema_edit", "events", "imports", "exports", "insights", "inbox", "rejected_rows", "items", "users",
    "models", "model_new", "runs", "sync", "deployments", "experiments", "try_it",
]  # fmt: skip


@pytest.fixture
def addresses(project: Project) -> list[str]:
    """Every page of a project that has one of everything."""
    document = first_definition(schema_document(project=project), "two_tower")
    version = model_publish(project=project, name="towers", document=document)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    run = Run.objects.create(project=project, model_version=version, mode="online", latest={"auc": 0.7})
    return [
        *(reverse(name, args=[project.slug]) for name in PLAIN_PAGES),
        reverse("schema_version", args=[project.slug, 1]),
        reverse("model", args=[project.slug, "towers"]),
        reverse("model_edit", args=[project.slug, "towers"]),
        reverse("run", args=[project.slug, run.pk]),
        reverse("sync_model", args=[project.slug, "towers", 1]),
        reverse("deployment", args=[project.slug, "main"]),
    ]


def test_it_gives_every_page_to_a_member_whole_and_accessible(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        answer = browser.get(address)
        assert answer.status_code == 200, address
        page = Page(answer.content.decode())
        assert len(page.all("h1")) == 1, address
        assert len(page.all("main", id="main")) == 1, address
        assert page.all("a", class_="skip", href="#main"), address
        assert page.unlabelled == [], address
        assert page.inline_scripts == [], address
        assert len(page.all("table")) == len(page.all("caption")), address
        assert len(page.all("a", **{"aria-current": "page"})) >= 1, address


def test_it_shows_an_empty_project_without_a_model_or_an_event(browser: Client, project: Project) -> None:
    for name in PLAIN_PAGES:
        assert browser.get(reverse(name, args=[project.slug])).status_code == 200, name


def test_it_hides_a_project_from_those_who_are_not_members(
    browser: Client, addresses: list[str], project: Project, other_project: Project
) -> None:
    for address in addresses:
        elsewhere = address.replace(f"/p/{project.slug}/", f"/p/{other_project.slug}/")
        assert browser.get(elsewhere).status_code == 404, elsewhere


def test_it_sends_a_stranger_to_sign_in(client: Client, addresses: list[str]) -> None:
    for address in [*addresses, reverse("home")]:
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(reverse("sign_in")), address


def test_it_signs_in_and_out(client: Client, account: Account) -> None:
    refused = client.post(reverse("sign_in"), {"username": account.username, "password": "another one"})
    assert "do not belong together" in refused.content.decode()
    signed_in = client.post(reverse("sign_in"), {"username": account.username, "password": PASSWORD})
    assert signed_in.headers["Location"] == reverse("home")
    assert client.post(reverse("sign_out")).headers["Location"] == reverse("sign_in")
    assert client.get(reverse("home")).status_code == 302


def test_it_refuses_a_post_without_the_token_of_its_form(account: Account, project: Project) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account)
    answer = client.post(reverse("api_keys", args=[project.slug]), {"name": "x", "scopes": ["ingest"]})
    assert answer.status_code == 403
    assert not ApiKey.objects.exists()


def test_it_makes_a_project_and_says_when_the_name_is_taken(browser: Client) -> None:
    made = browser.post(reverse("home"), {"name": "Books", "slug": "books"})
    assert made.headers["Location"] == reverse("overview", args=["books"])
    assert "Books" in browser.get(reverse("home")).content.decode()
    again = browser.post(reverse("home"), {"name": "Books", "slug": "books"})
    assert again.status_code == 400
    assert "already a project" in again.content.decode()


def test_it_shows_a_key_once_and_revokes_it(browser: Client, project: Project) -> None:
    address = reverse("api_keys", args=[project.slug])
    made = browser.post(address, {"name": "site", "scopes": ["ingest", "recommend"]})
    key = ApiKey.objects.get(project=project)
    assert f"fk_{key.prefix}_" in made.content.decode()
    assert f"fk_{key.prefix}_" not in browser.get(address).content.decode()
    browser.post(reverse("api_key_revoke", args=[project.slug, key.pk]))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_it_says_that_a_generated_stream_is_generated(browser: Client, project: Project) -> None:
    address = reverse("overview", args=[project.slug])
    assert "stream is generated" not in browser.get(address).content.decode()
    Project.objects.filter(pk=project.pk).update(is_generated=True)
    assert "stream is generated" in browser.get(address).content.decode()
