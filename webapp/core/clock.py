"""Wall-clock time as the services take it by default; tests hand in their own."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
