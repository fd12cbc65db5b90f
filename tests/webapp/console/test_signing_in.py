"""Guessing a password is slow, and says so; whoever knows it is sent where they wanted to go, on this site."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import reverse
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.webapp.console.conftest import PASSWORD
from webapp.accounts import sign_in_attempts
from webapp.accounts.models import Account
from webapp.accounts.sign_in_attempts import MAX_PER_ACCOUNT_AND_ADDRESS, WINDOW_S, Attempt
from webapp.core.redis_connection import redis_connection


@pytest.fixture(autouse=True)
def _no_attempts(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick: many passwords are tried
    for counter in redis_connection().scan_iter("freshet:sign-in:*"):
        redis_connection().delete(counter)


def sign_in(account: Account, password: str, address: str = "192.0.2.1", **fields: str) -> tuple[int, str]:
    answer = Client(REMOTE_ADDR=address).post(
        reverse("sign_in"), {"username": account.username, "password": password, **fields}
    )
    return answer.status_code, answer.headers.get("Location") or answer.content.decode()


def test_it_looks_at_no_password_after_too_many_wrong_ones(account: Account) -> None:
    for _ in range(MAX_PER_ACCOUNT_AND_ADDRESS):
        assert sign_in(account, "wrong")[0] == 400
    status, page = sign_in(account, PASSWORD)
    assert status == 429
    assert "Too many attempts to sign in. Try again in" in page
    assert sign_in(account, PASSWORD, address="192.0.2.2")[0] == 302  # its owner, elsewhere


def test_it_forgets_mistakes_once_the_password_was_right(account: Account) -> None:
    for _ in range(3):
        for _ in range(MAX_PER_ACCOUNT_AND_ADDRESS - 1):
            assert sign_in(account, "wrong")[0] == 400
        assert sign_in(account, PASSWORD)[0] == 302


def test_it_stops_guessing_from_many_addresses_and_of_many_accounts(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_attempts, "MAX_PER_ACCOUNT", 3)
    monkeypatch.setattr(sign_in_attempts, "MAX_PER_ADDRESS", 4)
    now = 10.0 * WINDOW_S + 100
    waits = [Attempt("ann", f"192.0.2.{n}").wait_s(lambda: now) for n in range(4)]
    assert waits == [0, 0, 0, WINDOW_S - 100]
    waits = [Attempt(f"user-{n}", "192.0.2.99").wait_s(lambda: now) for n in range(5)]
    assert waits == [0, 0, 0, 0, WINDOW_S - 100]
    assert Attempt("ann", "192.0.2.99").wait_s(lambda: 11.0 * WINDOW_S) == 0


def test_it_signs_in_while_redis_is_away(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(port=9, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(sign_in_attempts, "redis_connection", lambda: away)
    assert sign_in(account, PASSWORD)[0] == 302


@pytest.mark.parametrize(
    ("wanted", "sent_to"),
    [
        ("/p/shop/runs/", "/p/shop/runs/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_it_sends_nobody_to_another_site(account: Account, wanted: str, sent_to: str) -> None:
    assert sign_in(account, PASSWORD, next=wanted) == (302, sent_to)


def test_it_starts_a_new_session_at_signing_in_and_ends_it_at_signing_out(account: Account) -> None:
    client = Client()
    client.post(reverse("sign_in"), {"username": account.username, "password": PASSWORD})
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    client.post(reverse("sign_out"))
    stolen = Client()
    stolen.cookies["sessionid"] = cookie.value
    assert stolen.get(reverse("home")).status_code == 302
