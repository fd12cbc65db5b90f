"""`next`: whose it is, how long it is good for, and that nobody else makes or changes one."""

from __future__ import annotations

import base64

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from engine.serving.requests import Ask
from webapp.core.errors import Invalid
from webapp.serving.next_token import LIVES_S, MAX_SHOWN, NextTokens, hash_of, whom_of, with_shown

TOKENS = NextTokens("the server's secret")
WHOM = whom_of(1, Ask.RECOMMEND, "u1", "")


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_a_token_holds_what_was_shown(shown: list[int]) -> None:
    token = TOKENS.make(WHOM, shown, 1000.0)
    assert token is not None
    assert TOKENS.read(WHOM, token, 1000.0 + LIVES_S - 1) == tuple(shown)


@pytest.mark.parametrize(
    "whom",
    [
        whom_of(2, Ask.RECOMMEND, "u1", ""),
        whom_of(1, Ask.SIMILAR, "u1", ""),
        whom_of(1, Ask.RECOMMEND, "u2", ""),
        whom_of(1, Ask.RECOMMEND, "u1", "tea"),
    ],
)
def test_a_token_is_good_for_whom_it_was_made(whom: bytes) -> None:
    with pytest.raises(Invalid, match="next"):
        TOKENS.read(whom, TOKENS.make(WHOM, [1], 0.0) or "", 0.0)


def test_a_token_ends() -> None:
    token = TOKENS.make(WHOM, [1], 1000.0) or ""
    with pytest.raises(Invalid, match="too old"):
        TOKENS.read(WHOM, token, 1001.0 + LIVES_S)


def test_no_byte_of_a_token_can_be_changed() -> None:
    raw = base64.urlsafe_b64decode(TOKENS.make(WHOM, [7], 0.0) or "")
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Invalid):
            TOKENS.read(WHOM, base64.urlsafe_b64encode(changed).decode(), 0.0)


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "=" * 50, "a" * 101])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Invalid):
        TOKENS.read(WHOM, token, 0.0)


def test_another_server_s_token_is_refused() -> None:
    with pytest.raises(Invalid):
        TOKENS.read(WHOM, NextTokens("another secret").make(WHOM, [1], 0.0) or "", 0.0)


def test_a_scroll_ends_where_a_token_holds_no_more() -> None:
    assert TOKENS.make(WHOM, range(MAX_SHOWN), 0.0)
    assert TOKENS.make(WHOM, range(MAX_SHOWN + 1), 0.0) is None


def test_items_are_known_by_xxh64() -> None:
    assert hash_of("tea") == xxhash.xxh64(b"tea", seed=0).intdigest()
    assert with_shown((1, 2), ["tea", "tea"]) == (1, 2, hash_of("tea"))
