"""Leases: one holder at a time, by PostgreSQL's clock, with a token that only grows."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from webapp.core.models import Lease
from webapp.core.selectors import lease_holder
from webapp.core.services import lease_acquire, lease_release, lease_renew

NAME = "trainer:1"


def run_out(name: str) -> None:
    """As if the time to live had passed on the server's clock."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_lease SET expires_at = clock_timestamp() - interval '1 ms' WHERE name = %s", [name])


def acquire(holder: str) -> int:
    token = lease_acquire(name=NAME, holder=holder, ttl_s=60)
    assert token is not None
    return token


@pytest.mark.django_db
def test_it_is_held_by_one_at_a_time() -> None:
    token = acquire("a")
    assert lease_acquire(name=NAME, holder="b", ttl_s=60) is None
    held = lease_holder(name=NAME)
    assert held is not None
    assert (held.holder, held.token) == ("a", token)


@pytest.mark.django_db
def test_its_token_is_above_those_of_a_database_that_was_lost() -> None:
    """What was written under a token outlives the database it came from."""
    before_ms = time.time_ns() // 1_000_000
    first = acquire("a")
    assert before_ms - 60_000 < first
    Lease.objects.all().delete()
    time.sleep(0.002)
    assert acquire("b") > first


@pytest.mark.django_db
def test_it_passes_on_with_a_higher_token_once_it_ran_out() -> None:
    token = acquire("a")
    run_out(NAME)
    assert lease_holder(name=NAME) is None
    assert acquire("b") > token
    assert not lease_renew(name=NAME, holder="a", token=token, ttl_s=60)


@pytest.mark.django_db
def test_it_cannot_be_renewed_after_it_ran_out_even_if_nobody_took_it() -> None:
    token = acquire("a")
    run_out(NAME)
    assert not lease_renew(name=NAME, holder="a", token=token, ttl_s=60)


@pytest.mark.django_db
def test_it_is_renewed_by_its_holder_and_token_only() -> None:
    token = acquire("a")
    before = Lease.objects.get(name=NAME).expires_at
    assert lease_renew(name=NAME, holder="a", token=token, ttl_s=600)
    assert Lease.objects.get(name=NAME).expires_at > before
    assert not lease_renew(name=NAME, holder="b", token=token, ttl_s=60)
    assert not lease_renew(name=NAME, holder="a", token=token + 1, ttl_s=60)


@pytest.mark.django_db
def test_it_gives_a_holder_that_acquires_again_a_new_token() -> None:
    token = acquire("a")
    assert acquire("a") > token
    assert not lease_renew(name=NAME, holder="a", token=token, ttl_s=60)


@pytest.mark.django_db
def test_it_is_free_after_release_and_its_token_still_grows() -> None:
    token = acquire("a")
    lease_release(name=NAME, holder="a", token=token)
    assert lease_holder(name=NAME) is None
    assert acquire("b") > token


@pytest.mark.django_db
def test_it_is_not_released_by_an_earlier_holder() -> None:
    token = acquire("a")
    run_out(NAME)
    acquire("b")
    lease_release(name=NAME, holder="a", token=token)
    assert lease_holder(name=NAME) is not None


@pytest.mark.django_db(transaction=True)
def test_it_goes_to_exactly_one_of_many_that_ask_at_once() -> None:
    num_askers, num_rounds = 8, 5
    together = threading.Barrier(num_askers)

    def ask(holder: str) -> list[int | None]:
        tokens = []
        try:
            for _ in range(num_rounds):
                together.wait(timeout=30)
                tokens.append(lease_acquire(name=NAME, holder=holder, ttl_s=60))
                together.wait(timeout=30)
                if tokens[-1] is not None:
                    run_out(NAME)
        finally:
            connection.close()
        return tokens

    with ThreadPoolExecutor(num_askers) as pool:
        answers = list(pool.map(ask, [f"asker-{number}" for number in range(num_askers)]))
    by_round = [[token for token in tokens if token is not None] for tokens in zip(*answers, strict=True)]
    assert [len(tokens) for tokens in by_round] == [1] * num_rounds
    assert by_round == sorted(by_round) and len({token for (token,) in by_round}) == num_rounds
