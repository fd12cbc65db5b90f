"""The joiner: a pure state machine from events to examples. It reads no clock, no log and no disk.

Times are event times, but never later than the time of receipt: one client whose clock runs ahead can neither end
everybody's windows nor hold its own open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import xxhash

from engine.features.counter_subjects import Subject
from engine.features.histories import History
from engine.joining.counting import Counting
from engine.joining.pending import Impression, Shown
from engine.joining.state import JoinerSettings, JoinerState
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, DrawnItem, Draws, Example, Origin
from engine.spec.schema import EventRole

_NOTHING: Final[dict[str, Any]] = {}
# Lists of a thousand items each would otherwise take gigabytes at once.
_SETTLED_AT: Final = 8192


class Joiner:
    """Joins one project's events. Not thread-safe. Feed each partition's events in order.

    - An impression's items wait for `window_ms`. Each first action of a type on a waiting item is a positive example at once,
      with the features of the impression. When the window ends, one negative says which action types did not come: every one for an
      item nobody acted on, the others for one that was clicked and not bought.
    - Positives and negatives of impressions carry the share of negatives that is kept: the odds are corrected by it, for both alike.
    - An action that names a recommendation belongs to that recommendation's item; one that names none to the newest
      waiting impression of its user and item. Without an impression it is a positive of origin `action`.
    - A positive's labels are its event type and, as `<type>.<property>`, the event's numbers: what a regression task predicts.
    - An example carries the counters that served its impression; where nobody logged them, those before the event that began it
      (the impression or, without one, the action) was counted. So no example has counted itself.
    - Where there are counters, an action without an impression brings `num_drawn` negatives with theirs, drawn from the actions before.
    """

    def __init__(self, settings: JoinerSettings, state: JoinerState | None = None) -> None:
        self.settings = settings
        self.state = state if state is not None else JoinerState(settings)
        self.latest_countable_ms: int | None = None
        self._counting = Counting(self.state.counter_state)
        self._unsettled: list[tuple[dict[str, float], dict[str, float]]] = []

    def apply_catalog(self, change: CatalogChange) -> None:
        """A user or item was written or deleted; impressions that already wait keep what they were shown with."""
        entities = self.state.users if change.kind == "user" else self.state.items
        if change.deleted:
            entities.pop(change.id, None)
        else:
            entities[change.id] = change.properties

    def process(self, partition: int, offset: int, event: Event) -> list[Example]:
        """What the event at this place of the `events` topic leads to, in the order to emit it."""
        return self.process_batch([(partition, offset, event)])

    def process_batch(self, events: Iterable[tuple[int, int, Event]]) -> list[Example]:
        """What the events, each after its partition and offset, lead to: the same as one by one, their counters in one go.

        An event dated and received after `latest_countable_ms` (None: no limit) is joined and not counted: whoever wrote it to the log
        has a clock that runs ahead, and counted it would end the windows of its keys.
        """
        examples: list[Example] = []
        for place in events:
            examples += self._process(*place)
            if self._counting.num_unsettled >= _SETTLED_AT:
                self._settle()
        self._settle()
        return examples

    def _process(self, partition: int, offset: int, event: Event) -> list[Example]:
        state = self.state
        state.counters.num_events += 1
        if not state.note_event_id(event.event_id, self.settings.max_recent_event_ids):
            state.counters.num_duplicates += 1
            return []
        time_ms = min(event.timestamp_ms, event.received_ms)
        cause = Cause(partition, offset, event.received_ms)
        examples: list[Example] = []
        if event.role is EventRole.ACTION:
            example = self._act(event, time_ms, cause)
            if example is not None:
                examples.append(example)
        elif event.role is EventRole.IMPRESSION:
            examples.extend(self._show(event, time_ms, cause))
        self._count(event, time_ms)
        watermark_ms = state.watermark.observe(partition, time_ms, event.received_ms)
        examples.extend(self._end_windows(watermark_ms))
        return examples

    def advance(self, now_ms: int) -> list[Example]:
        """Let the wall clock end windows while no events come. Call it only with every partition read to its end."""
        return list(self._end_windows(self.state.watermark.advance(now_ms)))

    def _act(self, event: Event, time_ms: int, cause: Cause) -> Example | None:
        if event.item_id is None:
            return None
        state = self.state
        shown = state.pending.find(event.recommendation_id, event.user_id, event.item_id, time_ms)
        if shown is None:
            example: Example | None = self._orphan(event, event.item_id, time_ms, cause)
        elif event.type in shown.acted:
            state.counters.num_duplicates += 1
            example = None
        else:
            shown.acted.add(event.type)
            labels, rate = self._labels(event), self.settings.negative_sampling_rate or 1.0
            example = _from_impression(
                shown, event.type, time_ms=time_ms, cause=cause, labels=labels, sampling_rate=rate
            )
        state.histories.record(event.user_id, event.item_id, time_ms, event.type)
        if example is not None:
            state.counters.num_examples += 1
            state.counters.num_positives += 1
            if self.settings.num_drawn:
                state.recent_items.push(event.item_id)
        return example

    def _orphan(self, event: Event, item_id: str, time_ms: int, cause: Cause) -> Example:
        state = self.state
        state.counters.num_orphans += 1
        user, item = state.users.get(event.user_id, _NOTHING), state.items.get(item_id, _NOTHING)
        history = state.histories.history(event.user_id)
        return Example(
            example_id=event.event_id,
            user_id=event.user_id,
            item_id=item_id,
            event_time_ms=time_ms,
            origin=Origin.ACTION,
            labels=self._labels(event),
            cause=cause,
            user=user,
            item=item,
            event=event.properties,
            history=history.item_ids,
            history_types=history.event_types,
            history_times_ms=history.times_ms,
            recommendation_id=event.recommendation_id,
            counters=self._counting.ask(Subject(event.user_id, item_id, user, item, event.properties), time_ms),
            drawn=self._draws(event, item_id, user, time_ms) if self.settings.num_drawn else None,
        )

    def _draws(self, event: Event, item_id: str, user: dict[str, Any], time_ms: int) -> Draws | None:
        """Negatives beside the action's user, their counters as they are before it; None when there is nothing to draw from."""
        recent, known = self.state.recent_items, self.state.items
        chosen = recent.draw(event.event_id, self.settings.num_drawn)
        items = tuple(
            DrawnItem(
                each,
                recent.count(each),
                self._counting.ask_row(
                    Subject(event.user_id, each, user, known.get(each, _NOTHING), event.properties), time_ms
                ),
            )
            for each in chosen
            if each != item_id
        )
        return Draws(len(chosen), len(recent), recent.count(item_id), items) if items else None

    def _labels(self, event: Event) -> dict[str, float]:
        """That it happened, and its numbers where it has them."""
        labels = {event.type: 1.0}
        for name in self.settings.label_properties.get(event.type, ()):
            value = event.properties.get(name)
            if isinstance(value, int | float):
                labels[f"{event.type}.{name}"] = float(value)
        return labels

    def _show(self, event: Event, time_ms: int, cause: Cause) -> Iterator[Example]:
        state, logged = self.state, event.features or _NOTHING
        user = logged.get("user")
        impression = Impression(
            event_id=event.event_id,
            user_id=event.user_id,
            recommendation_id=event.recommendation_id,
            time_ms=time_ms,
            cause=cause,
            user=state.users.get(event.user_id, _NOTHING) if user is None else user,
            history=state.histories.history(event.user_id) if logged.get("history") is None else _history(logged),
            properties=event.properties,
            request_time_ms=logged.get("time_ms") or time_ms,
        )
        logged_items, logged_counters = logged.get("items") or _NOTHING, logged.get("counters") or _NOTHING
        for item_id in event.item_ids:
            item = logged_items.get(item_id)
            if item is None:
                item = state.items.get(item_id, _NOTHING)
            shown = state.pending.add(impression, item_id, item)
            if shown is None:
                state.counters.num_duplicates += 1
                continue
            counters = logged_counters.get(item_id)
            if counters is None:
                subject = Subject(event.user_id, item_id, impression.user, item, event.properties)
                counters = self._counting.ask(subject, time_ms)
            shown.counters = counters
        if event.features is not None and state.agreement.is_sampled(event.event_id):
            self._compare(event, event.features, impression.request_time_ms or time_ms)
        while len(state.pending) > self.settings.max_pending:
            state.counters.num_expired_early += 1
            yield from self._end(state.pending.pop_oldest())

    def _compare(self, event: Event, logged: Mapping[str, Any], time_ms: int) -> None:
        """Look at what serving logged beside what is known here, as of the request's time."""
        state = self.state
        user = state.users.get(event.user_id, _NOTHING)
        logged_user, items, counters = (logged.get(name) or _NOTHING for name in ("user", "items", "counters"))
        if logged.get("user") is not None:
            state.agreement.compare("user", logged_user, user)
        if logged.get("history") is not None:
            state.agreement.compare_history(logged["history"], state.histories.recent(event.user_id))
        for item_id, item in items.items():
            state.agreement.compare("item", item, state.items.get(item_id, _NOTHING))
        for item_id, values in counters.items():
            subject = Subject(event.user_id, item_id, user, state.items.get(item_id, _NOTHING), event.properties)
            self._unsettled.append((values, self._counting.ask(subject, time_ms)))

    def _settle(self) -> None:
        self._counting.settle()
        for logged, known in self._unsettled:
            self.state.agreement.compare("counter", logged, known)
        self._unsettled.clear()

    def _count(self, event: Event, time_ms: int) -> None:
        state = self.state
        if self.latest_countable_ms is not None and time_ms > self.latest_countable_ms:
            state.counters.num_dated_ahead += 1
        elif event.type in state.counter_state.event_types:
            user = state.users.get(event.user_id, _NOTHING)
            for item_id in event.item_ids or (None,):
                item = _NOTHING if item_id is None else state.items.get(item_id, _NOTHING)
                self._counting.count(event.type, Subject(event.user_id, item_id, user, item, event.properties), time_ms)

    def _end_windows(self, watermark_ms: int) -> Iterator[Example]:
        for shown in self.state.pending.pop_ended(watermark_ms):
            yield from self._end(shown)

    def _end(self, shown: Shown) -> Iterator[Example]:
        labels = {action: 0.0 for action in self.settings.action_types if action not in shown.acted}
        if not labels:
            return
        rate, counters = self.settings.negative_sampling_rate, self.state.counters
        impression = shown.impression
        outcome = "rest" if shown.acted else "none"
        example = _from_impression(
            shown, outcome, time_ms=impression.time_ms, cause=impression.cause, labels=labels, sampling_rate=rate
        )
        if not is_sampled(example.example_id, rate):
            counters.num_sampled_out += 1
            return
        counters.num_examples += 1
        counters.num_negatives += 1
        yield example


def _history(logged: dict[str, Any]) -> History:
    """The history that serving logged; types and times that are not those of its items are left out."""
    item_ids = tuple(logged["history"])
    types, times = (tuple(logged.get(name) or ()) for name in ("history_types", "history_times_ms"))
    whole = len(types) == len(times) == len(item_ids)
    return History(item_ids, types, times) if whole else History(item_ids)


def is_sampled(example_id: str, rate: float) -> bool:
    """Whether a negative is kept: a function of its id alone, so that a replay decides the same."""
    return xxhash.xxh64_intdigest(example_id.encode()) < rate * 2.0**64


def _from_impression(
    shown: Shown, outcome: str, *, time_ms: int, cause: Cause, labels: dict[str, float], sampling_rate: float
) -> Example:
    impression = shown.impression
    return Example(
        example_id=f"{impression.event_id}:{shown.item_id}:{outcome}",
        user_id=impression.user_id,
        item_id=shown.item_id,
        event_time_ms=time_ms,
        origin=Origin.IMPRESSION,
        labels=labels,
        cause=cause,
        sampling_rate=sampling_rate,
        user=impression.user,
        item=shown.item,
        event=impression.properties,
        history=impression.history.item_ids,
        history_types=impression.history.event_types,
        history_times_ms=impression.history.times_ms,
        request_time_ms=impression.request_time_ms,
        recommendation_id=impression.recommendation_id,
        counters=shown.counters,
    )
