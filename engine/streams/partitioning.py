"""Which partition a key belongs to: the same answer in every backend, process and release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import xxhash

from engine.errors import LogError
from engine.streams.log import Record


def partition_of(key: str, num_partitions: int) -> int:
    """xxh64 of the key's UTF-8 bytes, modulo `num_partitions`. Raises `LogError` for a key no backend could hold."""
    if "\x00" in key:
        raise LogError("a record's key must not contain the NUL character", key=key[:80])
    try:
        encoded = key.encode()
    except UnicodeEncodeError as error:
        raise LogError("a record's key must be valid Unicode text", key=ascii(key)[:80]) from error
    if num_partitions == 1:
        return 0
    return xxhash.xxh64_intdigest(encoded) % num_partitions


@lru_cache(maxsize=4096)
def key_in(partition: int, num_partitions: int) -> str:
    """A key of our own whose records go to the partition; the same in every topic with as many. Raises ValueError for a partition that is
    none of them.
    """
    if not 0 <= partition < num_partitions:
        raise ValueError(f"partition must be 0 to {num_partitions - 1}, received {partition}")
    number = 0
    while partition_of(key := f"freshet.{number}", num_partitions) != partition:
        number += 1
    return key


def by_partition(records: Sequence[Record], num_partitions: int) -> dict[int, list[int]]:
    """Row numbers of `records` per partition, partitions ascending, rows in order. Raises `LogError`."""
    for record in records:
        if not -(2**63) <= record.timestamp_ms < 2**63:
            raise LogError("a record's timestamp must fit in a 64-bit integer", received=record.timestamp_ms)
    if num_partitions == 1 and records and _are_storable([record.key for record in records]):
        return {0: list(range(len(records)))}
    rows: dict[int, list[int]] = {}
    for row, record in enumerate(records):
        rows.setdefault(partition_of(record.key, num_partitions), []).append(row)
    return dict(sorted(rows.items()))


def _are_storable(keys: Sequence[str]) -> bool:
    """Whether no key is one that `partition_of` refuses, by one look at all of them."""
    together = "".join(keys)
    return together.isascii() and "\x00" not in together
