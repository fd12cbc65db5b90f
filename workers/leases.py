"""Holding a lease while long work goes on: acquire, renew from a thread, fence each write, release."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from django.db import Error as DjangoDatabaseError
from django.db import connection

from engine.errors import LeaseLost
from engine.streams.fencing import Fence
from webapp.core import selectors, services
from workers.fresh_connection import drop_broken_connection

logger = logging.getLogger(__name__)

LEASE_TTL_S = 10.0
HEARTBEAT_EVERY_S = 2.0


def holder_name() -> str:
    """Who holds: `host:pid:random`, so that a restarted process is never mistaken for its predecessor."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


class LeaseBook(Protocol):
    """Where leases are kept. The real one is PostgreSQL; expiry follows its clock."""

    def acquire(self, name: str, holder: str, ttl_s: float) -> int | None: ...

    def renew(self, name: str, holder: str, token: int, ttl_s: float) -> bool: ...

    def release(self, name: str, holder: str, token: int) -> None: ...

    def token(self, name: str) -> int | None:
        """The token of the live lease; None when nobody holds it."""


class DatabaseLeases:
    """`LeaseBook` over the services of `webapp.core`. A connection that broke (PostgreSQL was restarted) is opened again.

    A trainer's checkpoint asks for the token in a thread of its own, which has a connection of its own, and leaves none open.
    """

    def __init__(self) -> None:
        self._owner = threading.get_ident()

    def acquire(self, name: str, holder: str, ttl_s: float) -> int | None:
        drop_broken_connection()
        return services.lease_acquire(name=name, holder=holder, ttl_s=ttl_s)

    def renew(self, name: str, holder: str, token: int, ttl_s: float) -> bool:
        drop_broken_connection()
        return services.lease_renew(name=name, holder=holder, token=token, ttl_s=ttl_s)

    def release(self, name: str, holder: str, token: int) -> None:
        drop_broken_connection()
        services.lease_release(name=name, holder=holder, token=token)

    def token(self, name: str) -> int | None:
        drop_broken_connection()
        try:
            lease = selectors.lease_holder(name=name)
        finally:
            if threading.get_ident() != self._owner:
                connection.close()
        return lease.token if lease else None


class HeldLease:
    """A lease that is ours until it is known to be another's, or could be: no renewal for `ttl_s` by our own clock."""

    def __init__(
        self,
        leases: LeaseBook,
        *,
        name: str,
        holder: str,
        token: int,
        ttl_s: float = LEASE_TTL_S,
        clock: Callable[[], float] = time.monotonic,
        acquired_at: float | None = None,
    ) -> None:
        self.name, self.holder, self.token = name, holder, token
        self._leases, self._ttl_s, self._clock = leases, ttl_s, clock
        self._good_until = (clock() if acquired_at is None else acquired_at) + ttl_s
        self._lost = threading.Event()
        self.fence = Fence(self._check, token)
        """Raises `LeaseLost` unless the lease is still ours in the database. Called before each write that others will read, which
        carries its epoch, the token."""

    @property
    def is_lost(self) -> bool:
        if self._clock() >= self._good_until:
            self._lost.set()
        return self._lost.is_set()

    def beat(self) -> None:
        """Renew once. A database that does not answer is tried again at the next beat, until the lease has run out."""
        if self.is_lost:
            return
        # The clock is read before the call: the database counts from a later moment, so ours never outlives its.
        started = self._clock()
        try:
            renewed = self._leases.renew(self.name, self.holder, self.token, self._ttl_s)
        except DjangoDatabaseError as error:
            logger.warning("lease %s: renewal failed and will be tried again: %s", self.name, error)
            return
        if renewed:
            self._good_until = started + self._ttl_s
        else:
            self._lost.set()

    def _check(self) -> None:
        if not self.is_lost and self._leases.token(self.name) != self.token:
            self._lost.set()
        if self.is_lost:
            raise LeaseLost(f"lease {self.name} is no longer held by {self.holder}", name=self.name, token=self.token)

    def release(self) -> None:
        self._leases.release(self.name, self.holder, self.token)


@contextmanager
def held(name: str, leases: LeaseBook | None = None) -> Iterator[HeldLease | None]:
    """The lease for as long as the block runs, renewed every `HEARTBEAT_EVERY_S`; None when somebody else has it."""
    book = leases or DatabaseLeases()
    holder, started = holder_name(), time.monotonic()
    token = book.acquire(name, holder, LEASE_TTL_S)
    if token is None:
        yield None
        return
    lease = HeldLease(book, name=name, holder=holder, token=token, acquired_at=started)
    ended = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(lease, ended), name=f"heartbeat {name}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join(timeout=LEASE_TTL_S)
        if not lease.is_lost:
            try:
                lease.release()
            except DjangoDatabaseError as error:
                logger.warning("lease %s could not be released and will run out: %s", name, error)


def _keep_beating(lease: HeldLease, ended: threading.Event) -> None:
    try:
        while not ended.wait(HEARTBEAT_EVERY_S) and not lease.is_lost:
            lease.beat()
    finally:
        connection.close()
