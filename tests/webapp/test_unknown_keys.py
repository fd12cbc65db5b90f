"""Keys that nobody has: counted by address, and after too many not even looked up."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from webapp.accounts import authentication
from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create, api_key_revoke
from webapp.accounts.throttling import UnknownKeys, network_of

NOW_S = 1_000.25


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    keys = UnknownKeys("3/minute", clock)
    monkeypatch.setattr(authentication, "unknown_keys", lambda: keys)
    return clock


@pytest.fixture
def address() -> str:
    """One that no other test's counts are about."""
    return f"fd00:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}:1::7"


def ask(secret: str, address: str) -> Any:
    return Client(headers={"x-api-key": secret}, REMOTE_ADDR=address).get("/api/v1/schema")


def test_it_answers_429_to_an_address_with_too_many_wrong_keys(project: Project, clock: Clock, address: str) -> None:
    statuses = [ask(f"fk_0123456789_wrong{number}", address).status_code for number in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    answer = ask("fk_0123456789_wrong", address)
    assert answer.json()["code"] == "throttled"
    assert answer.headers["Retry-After"] == "20"  # the next minute starts at 1020, 19.75 s away
    clock.now_s = 1_020.0
    assert ask("fk_0123456789_wrong", address).status_code == 401


def test_it_does_not_look_up_the_wrong_keys_of_such_an_address(project: Project, clock: Clock, address: str) -> None:
    for _ in range(4):
        ask("fk_0123456789_wrong", address)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ask("fk_0123456789_another", address).status_code == 429
    assert len(queries) == 0


def test_it_goes_on_with_keys_that_were_right_from_the_same_address(
    project: Project, clock: Clock, address: str
) -> None:
    key, secret = api_key_create(project=project, name="k", scopes=["recommend"])
    assert ask(secret, address).status_code == 200
    for _ in range(4):
        ask("fk_0123456789_wrong", address)
    assert ask(secret, address).status_code == 200
    api_key_revoke(api_key=key)
    assert ask(secret, address).status_code == 429


def test_it_goes_on_with_other_addresses(project: Project, clock: Clock, address: str) -> None:
    for _ in range(4):
        ask("fk_0123456789_wrong", address)
    assert ask("fk_0123456789_wrong", f"198.51.100.{uuid.uuid4().int % 250}").status_code == 401


def test_a_network_is_one_ipv4_address_or_64_bits_of_an_ipv6_one() -> None:
    assert network_of("198.51.100.7") == "198.51.100.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::9") != network_of("2001:db8:1:2::9")
    assert network_of("") == network_of("/run/freshet.sock") == "unknown"
