"""Keys end, are rotated without a gap, and say who made them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.client import Api
from webapp.accounts import key_services as services
from webapp.accounts.key_views import rate_words
from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.scope_words import calls_by_scope
from webapp.accounts.selectors import api_keys_forget
from webapp.core.errors import Conflict, Invalid


def end(key: ApiKey, in_s: float) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(seconds=in_s))
    api_keys_forget()


def test_it_refuses_a_key_that_has_ended(project: Project) -> None:
    key, secret = services.api_key_create(
        project=project, name="app", scopes=["manage"], expires_at=timezone.now() + timedelta(days=1)
    )
    assert Api(secret).get("/models").status_code == 200
    end(key, -1)
    assert Api(secret).get("/models").status_code == 401
    with pytest.raises(Invalid):
        services.api_key_create(project=project, name="x", scopes=["ingest"], expires_at=timezone.now())


def test_it_rotates_without_a_gap(project: Project) -> None:
    old, old_secret = services.api_key_create(project=project, name="app", scopes=["manage", "ingest"])
    new, secret = services.api_key_rotate(api_key=old, grace=timedelta(hours=1))
    assert (new.name, new.scopes, new.expires_at) == ("app", ["ingest", "manage"], None)
    assert [Api(one).get("/models").status_code for one in (old_secret, secret)] == [200, 200]
    end(old, -1)
    assert [Api(one).get("/models").status_code for one in (old_secret, secret)] == [401, 200]
    with pytest.raises(Conflict):
        services.api_key_rotate(api_key=old, grace=timedelta(0))


def test_it_makes_keys_for_trying_that_end_by_themselves(project: Project) -> None:
    key, secret = services.api_key_mint(project=project, name="reference, ann", scopes=["manage"])
    assert key.expires_at is not None
    assert timedelta(minutes=59) < key.expires_at - timezone.now() <= timedelta(hours=1)
    assert Api(secret).get("/models").status_code == 200
    end(key, -8 * 86_400)
    assert services.api_keys_prune(now=timezone.now()) == 1


def test_it_shows_when_a_key_ends_and_who_made_it(project: Project, browser: Client) -> None:
    page = reverse("api_keys", args=[project.slug])
    browser.post(page, {"name": "app", "scopes": ["ingest"], "ends": "30"})
    key = project.api_keys.get()
    assert key.created_by == "member"
    assert key.expires_at is not None
    assert timedelta(days=29, hours=23) < key.expires_at - timezone.now() <= timedelta(days=30)
    shown = browser.get(page).content.decode()
    assert "by member" in shown
    assert f"{key.expires_at:%Y-%m-%d %H:%M:%S}" in shown
    rotated = browser.post(reverse("api_key_rotate", args=[project.slug, key.pk]), {"hours": "0"}).content.decode()
    assert "data-secret>fk_" in rotated
    assert "ended" in rotated


def test_it_says_what_each_scope_allows() -> None:
    calls = calls_by_scope()
    assert set(calls) == set(Scope.values)
    assert "POST /api/v1/events" in calls["ingest"]
    assert "POST /api/v1/recommend" in calls["recommend"]
    assert "POST /api/v1/models" in calls["manage"]
    assert "POST /api/v1/models" not in calls["recommend"]


def test_it_says_a_rate_in_words() -> None:
    assert rate_words("2000/second") == "2,000 times a second"
