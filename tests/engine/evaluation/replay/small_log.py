"""A click log small enough to be counted by hand, and a generated one with a structure to find."""

from __future__ import annotations

import numpy as np

from engine.evaluation.replay.click_log import ClickLog

MINUTE_MS = 60_000


def log_of(clicks: list[tuple[int, int, int, float]], num_items: int | None = None) -> ClickLog:
    """A log of (user, session, item, minute), in time order."""
    users, sessions, items, minutes = (np.array(column) for column in zip(*clicks, strict=True))
    num_items = num_items or int(items.max()) + 1
    return ClickLog(
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        sessions=sessions.astype(np.int32),
        times_ms=np.round(minutes * MINUTE_MS).astype(np.int64),
        context={"device": (users % 2).astype(np.int32)},
        user_ids=[f"u{user}" for user in range(int(users.max()) + 1)],
        item_ids=[f"i{item}" for item in range(num_items)],
        context_values={"device": ["phone", "desk"]},
    )


def generated_log(num_clicks: int = 1500, seed: int = 3) -> ClickLog:
    """Two clicks a session, a session each 5 s, the second click on the first item's partner (item ^ 1); other items each 15 minutes."""
    rng = np.random.default_rng(seed)
    clicks: list[tuple[int, int, int, float]] = []
    for number in range(num_clicks // 2):
        minute = number / 12
        item = int(2 * rng.integers(10) + 20 * (minute // 15))
        user = int(rng.integers(40))
        clicks += [(user, number, item, minute), (user, number, item ^ 1, minute + 0.5)]
    return log_of(sorted(clicks, key=lambda click: click[3]))
