"""How far event time has come: the slowest partition decides, unless it has nothing to say."""

from __future__ import annotations

from typing import Any


class Watermark:
    """The minimum over partitions of the newest event time seen, never moving back. All times in ms.

    A partition is idle, and does not hold the others back, when its newest event was received `idle_after_ms` before the
    newest of all. A partition not seen yet counts from the first event of all.
    """

    def __init__(self, partitions: list[int], idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._times: dict[int, int] = {}
        self._received: dict[int, int] = {}
        self._unseen = set(partitions)
        self._first_received_ms: int | None = None
        self.time_ms = 0

    def register(self, partitions: list[int]) -> None:
        """Know of partitions, so that those not read yet hold event time back."""
        self._unseen |= set(partitions) - self._times.keys()

    def observe(self, partition: int, time_ms: int, received_ms: int) -> int:
        """Note an event; answers the watermark."""
        self._unseen.discard(partition)
        if self._first_received_ms is None:
            self._first_received_ms = received_ms
        if time_ms > self._times.get(partition, -1):
            self._times[partition] = time_ms
        if received_ms > self._received.get(partition, -1):
            self._received[partition] = received_ms
        if len(self._times) == 1 and not self._unseen:
            slowest = self._times[partition]
        else:
            active_since = max(self._received.values()) - self._idle_after_ms
            if self._unseen and self._first_received_ms >= active_since:
                return self.time_ms
            slowest = min(time for one, time in self._times.items() if self._received[one] >= active_since)
        self.time_ms = max(self.time_ms, slowest)
        return self.time_ms

    def at(self, now_ms: int) -> int:
        """What `advance` would answer."""
        if self._received:
            idle_for_ms = now_ms - max(self._received.values())
            if idle_for_ms > self._idle_after_ms:
                return max(self.time_ms, max(self._times.values()) + idle_for_ms)
        return self.time_ms

    def advance(self, now_ms: int) -> int:
        """With every partition read to its end: after `idle_after_ms` without an event, event time follows the wall clock."""
        self.time_ms = self.at(now_ms)
        return self.time_ms

    def to_json(self) -> dict[str, Any]:
        return {
            "time_ms": self.time_ms,
            "first_received_ms": self._first_received_ms,
            "partitions": {str(one): [time, self._received[one]] for one, time in self._times.items()},
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The inverse of `to_json`. Raises KeyError, ValueError or TypeError for anything else."""
        self.time_ms = int(data["time_ms"])
        self._first_received_ms = data["first_received_ms"]
        for one, (time_ms, received_ms) in data["partitions"].items():
            self._times[int(one)] = int(time_ms)
            self._received[int(one)] = int(received_ms)
        self._unseen -= self._times.keys()
