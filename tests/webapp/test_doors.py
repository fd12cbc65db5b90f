"""Keys, scopes, rates, the one error shape, health, and the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import OperationalError, connections
from django.test import AsyncClient, Client
from django.urls import get_resolver

from tests.webapp.client import Api
from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.selectors import api_key_authenticate
from webapp.accounts.services import api_key_create, api_key_revoke
from webapp.accounts.throttling import KeyThrottle, parse_rate
from webapp.core.errors import Invalid


def is_error(answer: Any, status: int, code: str) -> bool:
    body = answer.json()
    return answer.status_code == status and set(body) == {"code", "message", "extra"} and body["code"] == code


def test_it_knows_a_key_from_either_header(project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["recommend"])
    for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}):
        assert Client(headers=headers).get("/api/v1/items").status_code == 200


def test_it_keeps_only_a_hash_of_the_secret(project: Project) -> None:
    key, secret = api_key_create(project=project, name="k", scopes=["ingest"])
    stored = ApiKey.objects.get(pk=key.pk)
    hidden = secret.split("_", 2)[2]
    assert secret == f"fk_{stored.prefix}_{hidden}"
    assert hidden not in f"{stored.__dict__}"
    assert len(hidden) >= 43  # 256 bits in base 64


@pytest.mark.parametrize("secret", [None, "", "fk", "fk__", "fk_0123456789_wrong", "xx_0123456789_wrong", "é"])
def test_it_answers_401_without_a_good_key(project: Project, secret: str | None) -> None:
    headers = {} if secret is None else {"x-api-key": secret}
    answer = Client(headers=headers).get("/api/v1/items")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] in ("not_authenticated", "authentication_failed")


def test_it_refuses_the_right_prefix_with_another_secret(project: Project) -> None:
    key, secret = api_key_create(project=project, name="k", scopes=["ingest"])
    assert api_key_authenticate(secret=secret) == key
    assert api_key_authenticate(secret=f"fk_{key.prefix}_{'x' * 43}") is None


def test_it_refuses_a_revoked_key_at_once(project: Project) -> None:
    key, secret = api_key_create(project=project, name="k", scopes=["recommend"])
    client = Client(headers={"x-api-key": secret})
    assert client.get("/api/v1/items").status_code == 200
    api_key_revoke(api_key=key)
    assert client.get("/api/v1/items").status_code == 401


def test_it_notes_when_a_key_was_used(project: Project) -> None:
    key, secret = api_key_create(project=project, name="k", scopes=["recommend"])
    Client(headers={"x-api-key": secret}).get("/api/v1/items")
    key.refresh_from_db()
    assert key.last_used_at is not None


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        (Scope.RECOMMEND, "post", "/events"),
        (Scope.RECOMMEND, "put", "/items/tea"),
        (Scope.INGEST, "post", "/recommend"),
        (Scope.INGEST, "get", "/items"),
        (Scope.INGEST, "put", "/schema"),
        (Scope.RECOMMEND, "post", "/models"),
        (Scope.RECOMMEND, "put", "/deployments/main"),
        (Scope.INGEST, "delete", "/deployments/main"),
    ],
)
def test_it_answers_403_to_a_key_without_the_scope(
    project: Project, api_of: Callable[..., Api], scope: Scope, method: str, path: str
) -> None:
    answer = api_of(project, scope).send(method, path, {} if method != "get" else None)
    assert is_error(answer, 403, "forbidden")


@pytest.mark.parametrize("scopes", [[], ["everything"], ["ingest", "root"]])
def test_it_makes_no_key_with_scopes_it_does_not_know(project: Project, scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        api_key_create(project=project, name="k", scopes=scopes)


def test_it_answers_in_one_shape_whatever_is_wrong(api: Api, nobody: Api) -> None:
    assert is_error(api.get("/nowhere"), 404, "not_found")
    assert is_error(nobody.get("/nowhere"), 404, "not_found")
    assert is_error(nobody.get("/models/Not-A-Name"), 404, "not_found")
    assert is_error(nobody.get("/items/a%0Ab"), 404, "not_found")
    assert is_error(api.send("delete", "/events"), 405, "method_not_allowed")
    assert is_error(nobody.get("/items"), 401, "not_authenticated")


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v2/items", "/api/v1/items/"])
def test_it_answers_api_addresses_in_that_shape_outside_this_version_too(nobody: Api, path: str) -> None:
    assert is_error(Client().get(path), 404, "not_found")


def test_it_answers_503_while_postgresql_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("webapp.catalog.selectors.items_page", fail)
    assert is_error(api.get("/items"), 503, "database_unavailable")


@pytest.mark.django_db(transaction=True)
def test_it_answers_the_same_under_asgi(project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["ingest"])

    async def post() -> Any:
        rows = [{"type": "click", "user_id": "u1", "item_id": "tea"}]
        headers = {"x-api-key": secret}
        answered = await AsyncClient().post("/api/v1/events", rows, content_type="application/json", headers=headers)
        await sync_to_async(connections.close_all)()  # of the thread that ran the view
        return answered

    answer = asyncio.run(post())
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


def test_it_says_that_a_body_is_not_json(project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["ingest"])
    client = Client(headers={"x-api-key": secret})
    for body in (b"{", b"\xff", b'{"a": NaN}', b'["\\ud800"]'):
        assert is_error(client.post("/api/v1/events", body, content_type="application/json"), 400, "parse_error")
    assert is_error(client.post("/api/v1/events", b"a=1", content_type="text/plain"), 415, "unsupported_media_type")


def test_it_keeps_an_unexpected_failure_to_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("webapp.catalog.selectors.items_page", fail)
    answer = api.get("/items")
    assert is_error(answer, 500, "internal")
    assert "secret reason" not in answer.content.decode()
    assert "secret reason" in caplog.text


def test_it_answers_429_when_a_key_asks_too_often(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.25
    monkeypatch.setattr(KeyThrottle, "__init__", _with(KeyThrottle.__init__, rate="2/minute", clock=lambda: now))
    assert [api.get("/schema").status_code for _ in range(3)] == [200, 200, 429]
    answer = api.get("/schema")
    assert is_error(answer, 429, "throttled")
    assert answer.headers["Retry-After"] == "20"  # the next minute starts at 1020, 19.75 s away
    now = 1_020.0
    assert api.get("/schema").status_code == 200


def _with(init: Any, **options: Any) -> Any:
    return lambda self: init(self, **options)


def test_it_reads_rates() -> None:
    assert parse_rate("2000/second") == (2000, 1)
    assert parse_rate("5/min") == (5, 60)
    with pytest.raises(ValueError, match="a rate is"):
        parse_rate("often")


def test_it_says_that_it_is_well(nobody: Api) -> None:
    answer = nobody.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "redis": "ok", "log": "ok", "replicas": "ok"},
    }


def test_it_says_what_does_not_answer(nobody: Api, settings: Any) -> None:
    settings.LOG_URL = "postgresql://nobody@127.0.0.1:9/none"
    answer = nobody.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["log"] == "does not answer (LogUnavailable)"
    assert answer.json()["checks"]["database"] == "ok"


def test_it_describes_every_endpoint(nobody: Api) -> None:
    answer = nobody.get("/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    described = {
        (path.removeprefix("/api/v1"), method) for path, methods in document["paths"].items() for method in methods
    }
    for route in get_resolver("webapp.api_urls").url_patterns:
        view = getattr(route.callback, "cls", None)
        if view is None or not getattr(view, "scopes", None):
            continue
        path = "/" + _as_template(str(route.pattern))
        for method in view.scopes:
            assert (path, method.lower()) in described, (path, method)
    assert ("/health", "get") in described
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


def test_it_describes_itself_without_guessing(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "openapi.yaml"))


def _as_template(pattern: str) -> str:
    import re

    return re.sub(r"<\w+:(\w+)>", r"{\1}", pattern)


def test_it_serves_the_reference_without_a_cdn(nobody: Api) -> None:
    page = nobody.get("/docs/")
    assert page.status_code == 200
    assert b"swagger-ui-bundle.js" in page.content
    assert b"http://" not in page.content
    assert b"https://" not in page.content


def test_it_publishes_the_json_schema_of_definitions(nobody: Api) -> None:
    answer = nobody.get("/definition-schema")
    assert answer.status_code == 200
    assert {"slots", "architecture"} <= set(answer.json()["properties"])
