"""How often somebody may try to sign in: counted in Redis over all processes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

WINDOW_S = 900
MAX_PER_ACCOUNT_AND_ADDRESS = 10
MAX_PER_ADDRESS = 100
MAX_PER_ACCOUNT = 100
"""Far above what one person needs: whoever guesses from many addresses is stopped, and cannot easily lock out its owner."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try with a password, by the account's name as typed and the address it comes from."""

    username: str
    address: str

    def wait_s(self, clock: Callable[[], float] = time.time) -> int:
        """Counts the attempt. Seconds until the password may be tried, 0 for now.

        Attempts are counted before the password is looked at, so that many at once gain nothing. Without Redis nothing
        is refused, as with keys.
        """
        now = clock()
        window = int(now // WINDOW_S)
        limits = self._limits()
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                for counter in limits:
                    pipeline.incr(f"{counter}:{window}")
                    pipeline.expire(f"{counter}:{window}", WINDOW_S + 1)
                counts = [int(count) for count in pipeline.execute()[::2]]
        except redis.RedisError as error:
            logger.warning("attempts to sign in are not counted: %s", error)
            return 0
        if all(count <= limit for count, limit in zip(counts, limits.values(), strict=True)):
            return 0
        return max(1, round((window + 1) * WINDOW_S - now))

    def succeeded(self, clock: Callable[[], float] = time.time) -> None:
        """The right password: this attempt was none, and this account's mistakes from this address are forgotten."""
        window = int(clock() // WINDOW_S)
        pair, *others = self._limits()
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                pipeline.delete(f"{pair}:{window}")
                for counter in others:
                    pipeline.decr(f"{counter}:{window}")
                    pipeline.expire(f"{counter}:{window}", WINDOW_S + 1)
                pipeline.execute()
        except redis.RedisError as error:
            logger.warning("attempts to sign in are not forgotten: %s", error)

    def _limits(self) -> dict[str, int]:
        return {
            f"freshet:sign-in:pair:{_short(self.username, self.address)}": MAX_PER_ACCOUNT_AND_ADDRESS,
            f"freshet:sign-in:account:{_short(self.username)}": MAX_PER_ACCOUNT,
            f"freshet:sign-in:address:{_short(self.address)}": MAX_PER_ADDRESS,
        }


def _short(*parts: str) -> str:
    """A counter's name of one length, whatever was typed; Redis never holds the names themselves."""
    return hashlib.sha256("\x00".join(parts).encode(errors="replace")).hexdigest()[:32]
