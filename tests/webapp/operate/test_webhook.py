"""A webhook goes to a public address once, signed, with no redirects and within its time, whatever the receiver does."""

from __future__ import annotations

import hashlib
import hmac
import time

import pytest

from tests.webapp.operate.receiver import receiver
from webapp.alerts.addresses import RefusedAddress, Target, is_public, resolve
from webapp.alerts.webhook import signature, webhook_post
from webapp.core.errors import Invalid


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "::1", "fe80::1",
     "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
)  # fmt: skip
def test_it_knows_addresses_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_it_knows_addresses_outside(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost:5432/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/"]
)
def test_it_refuses_what_leads_inside(url: str) -> None:
    with pytest.raises(RefusedAddress):
        resolve(url, may_be_private=False)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "https://", "example.org", "http://u:p@example.org/", "http://a b/", "http://example.org:99999/",
     "http://example.org/" + "a" * 500, "file:///etc/passwd", "http://a\\b/"],
)  # fmt: skip
def test_it_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(Invalid):
        resolve(url, may_be_private=True)


def test_it_signs_what_it_sends() -> None:
    digest = hmac.new(b"secret", b"1700000000.{}", hashlib.sha256).hexdigest()
    assert signature("secret", 1_700_000_000, b"{}") == f"t=1700000000,v1={digest}"


def test_it_posts_once_and_tells_the_answer() -> None:
    with receiver() as there:
        answer = webhook_post(there.url, b'{"a":1}', {"Freshet-Message-Id": "m"}, may_be_private=True)
    assert answer.is_taken
    assert answer.text == "status 200: thanks"
    assert [one.body for one in there.got] == [b'{"a":1}']
    assert there.got[0].headers["Host"] == there.url.split("/")[2]
    assert there.got[0].headers["Content-Type"] == "application/json"


def test_it_follows_no_redirect() -> None:
    with receiver() as there:
        there.status = 302
        answer = webhook_post(there.url, b"{}", {}, may_be_private=True)
    assert not answer.is_taken
    assert "redirects are not followed" in answer.text
    assert len(there.got) == 1


def test_it_sends_nothing_inside_unless_allowed() -> None:
    with receiver() as there:
        answer = webhook_post(there.url, b"{}", {}, may_be_private=False)
    assert (answer.is_taken, there.got) == (False, [])
    assert "not a public address" in answer.text


def test_it_connects_to_the_address_that_was_looked_at() -> None:
    """A name whose address changes between the look and the connection leads nowhere else."""
    with receiver() as there:
        port = int(there.url.split(":")[2].split("/")[0])
        pinned = Target("http", "name.invalid", port, "/", "127.0.0.1")
        answer = webhook_post("http://name.invalid/", b"{}", {}, may_be_private=False, look_up=lambda *_, **__: pinned)
    assert answer.is_taken
    assert there.got[0].headers["Host"] == f"name.invalid:{port}"


def test_it_gives_up_a_receiver_that_never_comes_to_an_end() -> None:
    with receiver() as there:
        there.drips = True
        began = time.monotonic()
        answer = webhook_post(there.url, b"{}", {}, may_be_private=True, timeout_s=0.2)
    assert time.monotonic() - began < 3
    assert not answer.is_taken
    assert "no whole answer within 0.2 s" in answer.text


def test_it_says_that_nobody_is_there() -> None:
    with receiver() as there:
        pass
    assert "not reached" in webhook_post(there.url, b"{}", {}, may_be_private=True).text
