"""The joiner: a pure state machine from events to examples. It reads no clock, no log and no disk.

Times are event times, but never later than the time of receipt: one client whose clock runs ahead can neither end
everybody's windows nor hold its own open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from engine.features.counter_subjects import Subject
from engine.features.histories import History
from engine.joining.counting import Counting
from engine.joining.early import EarlyAction
from engine.joining.erasing import forget
from engine.joining.impression import Impression, Shown
from engine.joining.outcomes import Outcomes
from engine.joining.stages import NOT_ENDED
from engine.joining.state import JoinerSettings, JoinerState
from engine.spec.canary import canary_example, is_canary
from engine.spec.erasure import Erased, erasure_example, erasure_of, noted
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, DrawnItem, Draws, Example, Origin
from engine.spec.joining import Positives
from engine.spec.schema import EventRole

_NOTHING: Final[dict[str, Any]] = {}
# Lists of a thousand items each would otherwise take gigabytes at once.
_SETTLED_AT: Final = 8192
# Of the examples that one event may lead to, when the windows of a whole night end at once.
_CHUNK: Final = 8192


class Joiner:
    """Joins one project's events; `docs/joiner.md` has the rules. Not thread-safe. Feed each partition's events in order.

    - An impression's items wait until the windows of all action types have ended. Each first action of a type on a waiting item is a
      positive example at once, with the features of the impression. When a window ends, one negative says which of its action types
      did not come: every one for an item nobody acted on, the others for one that was clicked and not bought. Or, where the schema says
      `wait`, one example says everything when the last window ends.
    - An action that names a recommendation belongs to that recommendation's item; one that names none to the newest
      waiting impression of its user and item. Without an impression it is a positive of origin `action`: an orphan. One that names a
      recommendation waits `early_wait_ms` for the impression before it is that.
    - An action after its window is an orphan too, but where `late_ms` is not over it is a positive that corrects the negative.
    - A positive's labels are its event type and, as `<type>.<property>`, the event's numbers: what a regression task predicts.
    - An example carries the counters that served its impression; where nobody logged them, those before the event that began it
      (the impression or an action before it) was counted. So no example has counted itself.
    - Where there are counters, an action without an impression brings `num_drawn` negatives with theirs, drawn from the actions before.
    """

    def __init__(self, settings: JoinerSettings, state: JoinerState | None = None) -> None:
        self.settings = settings
        self.state = state if state is not None else JoinerState(settings)
        self.latest_countable_ms: int | None = None
        self._stages = self.state.pending.stages
        self._outcomes = Outcomes(self._stages, settings.negative_sampling_rate, self.state.counters)
        self._waits = settings.positives is Positives.WAIT
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
        """What the events, each after its partition and offset, lead to: the same as one by one, their counters in one go."""
        return [example for chunk in self.stream(events) for example in chunk]

    def stream(self, events: Iterable[tuple[int, int, Event]]) -> Iterator[list[Example]]:
        """As `process_batch`, a bounded number of examples at a time. Raises OSError when the disk has no room for what waits.

        An event dated and received after `latest_countable_ms` (None: no limit) is joined and not counted: whoever wrote it to the log
        has a clock that runs ahead, and counted it would end the windows of its keys.
        """
        return self._settled(example for place in events for example in self._process(*place))

    def is_due(self, now_ms: int) -> bool:
        """Whether `advance` would lead to anything."""
        watermark_ms = self.state.watermark.at(now_ms)
        first, first_early_ms = self.state.pending.first_end(), self.state.early.first_end_ms()
        return (first is not None and first[0] < watermark_ms) or (
            first_early_ms is not None and first_early_ms < watermark_ms
        )

    def advance(self, now_ms: int) -> list[Example]:
        """Let the wall clock end windows while no events come. Call it only with every partition read to its end."""
        return [example for chunk in self.stream_advance(now_ms) for example in chunk]

    def stream_advance(self, now_ms: int) -> Iterator[list[Example]]:
        """As `advance`, a bounded number of examples at a time. Where nothing is due nothing changes, event time neither."""
        if self.is_due(now_ms):
            yield from self._settled(self._end_windows(self.state.watermark.advance(now_ms)))

    def _settled(self, examples: Iterable[Example]) -> Iterator[list[Example]]:
        chunk: list[Example] = []
        for example in examples:
            chunk.append(example)
            if len(chunk) >= _CHUNK:
                self._settle()
                yield chunk
                chunk = []
        self._settle()
        if chunk:
            yield chunk

    def _process(self, partition: int, offset: int, event: Event) -> Iterator[Example]:
        if is_canary(event):
            # Event time neither: an import of last year's events would find its windows ended.
            yield canary_example(event, Cause(partition, offset, event.received_ms))
            return
        if (erasure := erasure_of(event)) is not None:
            self._settle()
            counts = forget(self.state, erasure)
            self.state.erased = noted(self.state.erased, [Erased(erasure, partition, counts)])
            yield erasure_example(event, Cause(partition, offset, event.received_ms))
            return
        state = self.state
        state.counters.num_events += 1
        if not state.recent_event_ids.note(event.event_id):
            state.counters.num_duplicates += 1
            return
        if self._counting.num_unsettled >= _SETTLED_AT:
            self._settle()
        time_ms = min(event.timestamp_ms, event.received_ms)
        cause = Cause(partition, offset, event.received_ms)
        if event.role is EventRole.ACTION:
            if event.item_id is not None:
                yield from self._act(event, event.item_id, time_ms, cause)
        elif event.role is EventRole.IMPRESSION:
            yield from self._show(event, time_ms, cause)
        self._count(event, time_ms)
        yield from self._end_windows(state.watermark.observe(partition, time_ms, event.received_ms))

    def _act(self, event: Event, item_id: str, time_ms: int, cause: Cause) -> Iterator[Example]:
        state = self.state
        shown = state.pending.find(event.recommendation_id, event.user_id, item_id)
        if shown is None or not self._is_in_time(shown.impression, event.type, time_ms):
            example = self._alone(event, item_id, time_ms, cause)
            if shown is None and event.recommendation_id is not None and self.settings.early_wait_ms:
                yield from self._hold(event.type, example)
            else:
                yield self._orphan(example)
        else:
            yield from self._join(shown, event.type, self._labels(event), time_ms, cause)
        state.histories.record(event.user_id, item_id, time_ms, event.type)
        if self.settings.num_drawn:
            state.recent_items.push(item_id)

    def _is_in_time(self, impression: Impression, action: str, time_ms: int) -> bool:
        """Within its window, or late but not too late."""
        if self._is_on_time(impression, action, time_ms):
            return True
        self.state.counters.num_late += 1
        late_ms = self._stages.late_ms
        return late_ms > 0 and time_ms <= impression.time_ms + self._stages.longest_ms + late_ms

    def _is_on_time(self, impression: Impression, action: str, time_ms: int) -> bool:
        stages = self._stages
        is_decided = impression.ended_ms >= stages.decision_ms(impression.waits, action)
        return not is_decided and time_ms <= impression.time_ms + stages.window_ms(action)

    def _join(
        self, shown: Shown, action: str, labels: dict[str, float], time_ms: int, cause: Cause
    ) -> Iterator[Example]:
        """An action in time."""
        if action in shown.acted:
            self.state.counters.num_duplicates += 1
            return
        shown.acted[action] = labels
        if not shown.impression.waits or shown.impression.ended_ms != NOT_ENDED:
            corrects = shown.negatives.pop(action, None)
            yield self._outcomes.positive(shown, action, labels, time_ms=time_ms, cause=cause, corrects=corrects)

    def _hold(self, action: str, example: Example) -> Iterator[Example]:
        early = self.state.early
        early.add(action, example)
        self.state.counters.num_early += 1
        while len(early) > self.settings.max_early:
            yield self._orphan(early.pop_oldest().example)

    def _orphan(self, example: Example) -> Example:
        counters = self.state.counters
        counters.num_orphans += 1
        counters.num_examples += 1
        counters.num_positives += 1
        return example

    def _alone(self, event: Event, item_id: str, time_ms: int, cause: Cause) -> Example:
        """An action as an example of its own, as if there were no impression of it."""
        state = self.state
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
        others = [each for each in chosen if each != item_id]
        properties = [known.get(each, _NOTHING) for each in others]
        asker = Subject(event.user_id, None, user, _NOTHING, event.properties)
        values = self._counting.ask_beside(asker, others, properties, time_ms)
        items = tuple(map(DrawnItem, others, map(recent.count, others), values))
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
        item_ids = self._not_waiting(event)
        early = self._early_actions(event.recommendation_id, item_ids)
        user = logged.get("user")
        impression = Impression(
            event_id=event.event_id,
            user_id=event.user_id,
            recommendation_id=event.recommendation_id,
            time_ms=time_ms,
            cause=cause,
            user=state.users.get(event.user_id, _NOTHING) if user is None else user,
            history=self._history_before(event.user_id, early) if logged.get("history") is None else _history(logged),
            properties=event.properties,
            request_time_ms=logged.get("time_ms") or time_ms,
            waits=self._waits,
        )
        logged_items, logged_counters = logged.get("items") or _NOTHING, logged.get("counters") or _NOTHING
        for item_id in item_ids:
            item = logged_items.get(item_id)
            if item is None:
                item = state.items.get(item_id, _NOTHING)
            shown = impression.show(item_id, item)
            counters = logged_counters.get(item_id)
            if counters is None and item_id in early:
                counters = early[item_id][0].example.counters
            elif counters is None:
                subject = Subject(event.user_id, item_id, impression.user, item, event.properties)
                counters = self._counting.ask(subject, time_ms)
            shown.counters = counters
        if event.features is not None and state.agreement.is_sampled(event.event_id):
            self._compare(event, event.features, impression.request_time_ms or time_ms)
        if impression.shown:
            impression.estimate_bytes(len(orjson.dumps(event.features)) if event.features is not None else 0)
            state.pending.add(impression)
            # All at once: handing one over may send the impression to the disk.
            yield from self._meet(impression, early, cause)
            yield from self._make_room()

    def _not_waiting(self, event: Event) -> list[str]:
        """The event's items, each once, without those that the recommendation has shown already."""
        item_ids, recommendation_id = list(dict.fromkeys(event.item_ids)), event.recommendation_id
        if recommendation_id is not None:
            pending = self.state.pending
            item_ids = [item_id for item_id in item_ids if not pending.waits_in(recommendation_id, item_id)]
        self.state.counters.num_duplicates += len(event.item_ids) - len(item_ids)
        return item_ids

    def _early_actions(self, recommendation_id: str | None, item_ids: Iterable[str]) -> dict[str, list[EarlyAction]]:
        """By item what came before its impression; nothing for most."""
        early = self.state.early
        if recommendation_id is None or not len(early):
            return {}
        found = ((item_id, early.of_recommendation(recommendation_id, item_id)) for item_id in item_ids)
        return {item_id: actions for item_id, actions in found if actions}

    def _history_before(self, user_id: str, early: Mapping[str, list[EarlyAction]]) -> History:
        """What is known of the user now or, where actions of the impression came before it, what was known at the first of them."""
        if not early:
            return self.state.histories.history(user_id)
        first = min((action for actions in early.values() for action in actions), key=lambda one: one.number).example
        return History(first.history, first.history_types, first.history_times_ms)

    def _meet(self, impression: Impression, early: Mapping[str, list[EarlyAction]], cause: Cause) -> list[Example]:
        """The impression has come, and with it the end of waiting for its early actions."""
        examples: list[Example] = []
        for item_id, actions in early.items():
            for action in actions:
                time_ms = action.example.event_time_ms
                if self._is_in_time(impression, action.event_type, time_ms):
                    self.state.counters.num_early_joined += 1
                    shown, labels = impression.shown[item_id], action.example.labels
                    examples += self._join(shown, action.event_type, labels, time_ms, cause)
                else:
                    examples.append(self._orphan(action.example))
        return examples

    def _make_room(self) -> Iterator[Example]:
        state = self.state
        while len(state.pending) > self.settings.max_pending:
            impression = state.pending.pop_oldest()
            state.counters.num_expired_early += len(impression.shown)
            while self._stages.next_end(impression.waits, impression.ended_ms) is not None:
                yield from self._outcomes.ended(impression)
            impression.let_go()

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
        self.state.pending.spill()

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
        pending, early = self.state.pending, self.state.early
        while (impression := pending.pop_ended(watermark_ms)) is not None:
            yield from self._outcomes.ended(impression)
            if self._stages.next_end(impression.waits, impression.ended_ms) is not None:
                pending.put(impression)
            else:
                impression.let_go()
        while (action := early.pop_ended(watermark_ms)) is not None:
            yield self._orphan(action.example)


def _history(logged: dict[str, Any]) -> History:
    """The history that serving logged; types and times that are not those of its items are left out."""
    item_ids = tuple(logged["history"])
    types, times = (tuple(logged.get(name) or ()) for name in ("history_types", "history_times_ms"))
    whole = len(types) == len(times) == len(item_ids)
    return History(item_ids, types, times) if whole else History(item_ids)
