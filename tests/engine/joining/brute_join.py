"""What the joiner must make of a log, found by looking through all of it for each event: no index, no heap, nothing let go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.joining.outcomes import is_sampled
from engine.joining.state import JoinerSettings
from engine.spec.event import Event
from engine.spec.joining import Positives
from engine.spec.schema import EventRole

Happening = tuple[int, Event] | int
"""An event after its partition, or the wall clock's time in ms at a moment without events."""

Made = tuple[str, tuple[tuple[str, float], ...], str | None]
"""An example's id, its labels, and which example it corrects."""


@dataclass(eq=False)
class _Item:
    place: int
    event: Event
    item_id: str
    time_ms: int
    done_ms: list[int] = field(default_factory=list)
    acted: set[str] = field(default_factory=set)
    negatives: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.event.event_id}:{self.item_id}"


class BruteJoin:
    def __init__(self, settings: JoinerSettings, partitions: Sequence[int]) -> None:
        self._settings = settings
        self._partitions = partitions
        self._windows = {one: settings.windows_ms.get(one, settings.window_ms) for one in settings.action_types}
        self._longest = max(self._windows.values())
        self._waits = settings.positives is Positives.WAIT
        self._ends = sorted({self._longest} if self._waits else set(self._windows.values()))
        self._last_end = self._longest + settings.late_ms
        self._items: list[_Item] = []
        self._early: list[Event] = []
        self._watermark = 0
        self._seen: list[tuple[int, Event]] = []
        self.made: Counter[Made] = Counter()

    def join(self, happenings: Sequence[Happening]) -> Counter[Made]:
        ids: set[str] = set()
        for place, happening in enumerate(happenings):
            if isinstance(happening, int):
                self._let_time_pass(happening)
                continue
            partition, event = happening
            if event.event_id in ids:
                continue
            ids.add(event.event_id)
            if event.role is EventRole.ACTION:
                self._act(event)
            elif event.role is EventRole.IMPRESSION:
                self._show(place, event)
            self._seen.append((partition, event))
            self._watermark = max(self._watermark, self._event_time())
            self._end()
        return self.made

    def _time(self, event: Event) -> int:
        return min(event.timestamp_ms, event.received_ms)

    def _event_time(self) -> int:
        """The newest time of the slowest partition that is not idle; nothing while one that may have events is unseen."""
        newest = max(event.received_ms for _, event in self._seen)
        active_since = newest - self._settings.idle_after_ms
        slowest = []
        for partition in self._partitions:
            own = [event for one, event in self._seen if one == partition]
            if not own and self._seen[0][1].received_ms >= active_since:
                return 0
            if own and (len(self._partitions) == 1 or max(e.received_ms for e in own) >= active_since):
                slowest.append(max(self._time(event) for event in own))
        return min(slowest)

    def _let_time_pass(self, now_ms: int) -> None:
        if not self._seen:
            return
        idle_ms = now_ms - max(event.received_ms for _, event in self._seen)
        if idle_ms > self._settings.idle_after_ms:
            newest = max(self._time(event) for _, event in self._seen)
            self._watermark = max(self._watermark, newest + idle_ms)
        self._end()

    def _waiting(self) -> list[_Item]:
        return [one for one in self._items if self._last_end not in one.done_ms]

    def _show(self, place: int, event: Event) -> None:
        for item_id in dict.fromkeys(event.item_ids):
            rec = event.recommendation_id
            if rec and any(one.event.recommendation_id == rec and one.item_id == item_id for one in self._waiting()):
                continue
            item = _Item(place, event, item_id, self._time(event))
            self._items.append(item)
            for early in [one for one in self._early if (one.recommendation_id, one.item_id) == (rec, item_id)]:
                self._early.remove(early)
                self._act_on(item, early)

    def _act(self, event: Event) -> None:
        if event.recommendation_id:
            found = [
                one
                for one in self._waiting()
                if (one.event.recommendation_id, one.item_id) == (event.recommendation_id, event.item_id)
            ]
        else:
            found = [
                one for one in self._waiting() if (one.event.user_id, one.item_id) == (event.user_id, event.item_id)
            ]
        if found:
            self._act_on(max(found, key=lambda one: (one.time_ms, one.place)), event)
        elif event.recommendation_id and self._settings.early_wait_ms:
            self._early.append(event)
        else:
            self._orphan(event)

    def _act_on(self, item: _Item, event: Event) -> None:
        window = self._windows[event.type]
        decided = self._longest if self._waits else window
        on_time = self._time(event) <= item.time_ms + window and decided not in item.done_ms
        late = self._settings.late_ms > 0 and self._time(event) <= item.time_ms + self._last_end
        if not (on_time or late):
            self._orphan(event)
        elif event.type not in item.acted:
            item.acted.add(event.type)
            if not self._waits or item.done_ms:
                corrects = item.negatives.get(event.type)
                self.made[f"{item.name}:{event.type}", ((event.type, 1.0),), corrects] += 1

    def _orphan(self, event: Event) -> None:
        self.made[event.event_id, ((event.type, 1.0),), None] += 1

    def _end(self) -> None:
        for item in self._items:
            for end in sorted({*self._ends, self._last_end}):
                if end not in item.done_ms and item.time_ms + end < self._watermark:
                    item.done_ms.append(end)
                    if end in self._ends:
                        self._decide(item, end)
        for early in list(self._early):
            if self._time(early) + self._settings.early_wait_ms < self._watermark:
                self._early.remove(early)
                self._orphan(early)

    def _decide(self, item: _Item, end: int) -> None:
        actions = [one for one, window in self._windows.items() if self._waits or window == end]
        missed = {one: 0.0 for one in actions if one not in item.acted}
        labels: dict[str, Any] = {}
        if self._waits:
            name = f"{item.name}:all"
            labels = dict.fromkeys(sorted(item.acted), 1.0)
        else:
            name = f"{item.name}:{'rest' if item.acted else 'none'}"
            if len(self._ends) > 1:
                name += f":{'+'.join(actions)}"
        if missed and is_sampled(name, self._settings.negative_sampling_rate):
            labels |= missed
            item.negatives = dict.fromkeys(missed, name) | item.negatives
        if labels:
            self.made[name, tuple(sorted(labels.items())), None] += 1
