"""When the tables look for rows whose time is over: a little with each batch, so that nothing ever waits for all of them."""

from __future__ import annotations

from typing import Final

from engine.embedding.store import EmbeddingStore

EXPIRE_EVERY: Final = 64
"""Examples from one turn to the next: a place in the stream, so that a replay expires the same rows at the same time."""

LAP_TURNS: Final = 4096
MIN_ROWS: Final = 2048
"""What a turn looks at at least, some ten microseconds' work: a small table is looked through with every turn."""


def expire_due(store: EmbeddingStore, now_s: int, num_before: int, num_after: int) -> int:
    """Take the turns that fell due as the count of examples went from `num_before` to `num_after`; answers how many rows went.

    Every row is looked at within `LAP_TURNS` turns, 262,144 examples, or sooner.
    """
    num_turns = num_after // EXPIRE_EVERY - num_before // EXPIRE_EVERY
    if num_turns == 0:
        return 0
    return sum(
        table.expire(now_s, num_turns * max(MIN_ROWS, -(-len(table) // LAP_TURNS))) for table in store.tables.values()
    )
