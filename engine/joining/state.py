"""Everything the joiner remembers between two events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from engine.features.counters import MAX_BYTES, CounterState
from engine.features.histories import UserHistories
from engine.joining.agreement import FeatureAgreement
from engine.joining.drawing import RecentItems
from engine.joining.pending import PendingImpressions
from engine.joining.watermark import Watermark
from engine.spec.counter import Counter
from engine.spec.schema import EventRole, PropertyType, Schema

_NUMBERS: Final = frozenset((PropertyType.INTEGER, PropertyType.FLOAT))


@dataclass(frozen=True, slots=True)
class JoinerSettings:
    """What a project's schema, and whoever runs the joiner, decide. Times in ms.

    `negative_sampling_rate` is the share of shown items without action that become examples. `label_properties` names, by action type,
    the numbers that become labels `<type>.<property>`. `num_drawn` negatives, with their counters, go with an action without an impression.
    `max_*` bound the state.
    """

    action_types: tuple[str, ...]
    window_ms: int
    history_length: int = 20
    negative_sampling_rate: float = 1.0
    idle_after_ms: int = 10_000
    max_pending: int = 1_000_000
    max_recent_event_ids: int = 500_000
    max_users: int = 1_000_000
    label_properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counters: Mapping[str, Counter] = field(default_factory=dict)
    max_counter_bytes: int = MAX_BYTES
    num_drawn: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.negative_sampling_rate <= 1:
            raise ValueError(f"negative_sampling_rate must be 0 to 1, received {self.negative_sampling_rate}")
        if min(self.window_ms, self.max_pending, self.max_recent_event_ids, self.max_users) < 1:
            raise ValueError("window_ms, max_pending, max_recent_event_ids and max_users must be at least 1")

    @classmethod
    def from_schema(cls, schema: Schema, **overrides: Any) -> JoinerSettings:
        actions = {name: one for name, one in schema.events.items() if one.role is EventRole.ACTION}
        values: dict[str, Any] = {
            "action_types": tuple(actions),
            "label_properties": {
                name: tuple(label for label, declared in one.properties.items() if declared.type in _NUMBERS)
                for name, one in actions.items()
            },
            "window_ms": round(schema.join_window_s * 1000),
            "history_length": schema.history_length,
            "counters": schema.counters,
            "num_drawn": schema.num_drawn_negatives if schema.counters else 0,
        }
        return cls(**(values | overrides))


@dataclass(slots=True)
class JoinerCounters:
    """Since the joiner's first event. `num_examples` = `num_positives` + `num_negatives`.

    `num_orphans`: actions without an impression, which are positives too. `num_duplicates`: repeated event ids, repeated
    actions on one shown item, and items shown twice in one recommendation. `num_sampled_out`: negatives not kept.
    `num_expired_early`: let go before their window ended, for lack of room. `num_dated_ahead`: events dated and received
    later than now, by whoever wrote them to the log, and therefore not in the schema's counters.
    """

    num_events: int = 0
    num_examples: int = 0
    num_positives: int = 0
    num_negatives: int = 0
    num_orphans: int = 0
    num_duplicates: int = 0
    num_sampled_out: int = 0
    num_expired_early: int = 0
    num_dated_ahead: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)


class JoinerState:
    """The catalogue as far as it was read, users' histories, pending impressions, recent event ids, event time; the joiner's own
    counters, the state of the schema's counters (`counter_state`), the items that negatives are drawn from, and how far what serving
    logs agrees with all that.
    """

    def __init__(self, settings: JoinerSettings) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.histories = UserHistories(settings.history_length, settings.max_users)
        self.pending = PendingImpressions(settings.window_ms)
        self.recent_event_ids: dict[str, None] = {}
        self.watermark = Watermark([], settings.idle_after_ms)
        self.counters = JoinerCounters()
        self.agreement = FeatureAgreement()
        self.counter_state = CounterState(settings.counters, settings.max_counter_bytes)
        self.recent_items = RecentItems()

    def note_event_id(self, event_id: str, max_recent: int) -> bool:
        """False when the id is among the `max_recent` last ones."""
        if event_id in self.recent_event_ids:
            return False
        self.recent_event_ids[event_id] = None
        if len(self.recent_event_ids) > max_recent:
            del self.recent_event_ids[next(iter(self.recent_event_ids))]
        return True
