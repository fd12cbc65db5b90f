"""Everything the joiner remembers between two events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from engine.features.counters import MAX_BYTES, CounterState
from engine.features.histories import UserHistories
from engine.joining.agreement import FeatureAgreement
from engine.joining.drawing import RecentItems
from engine.joining.early import EarlyActions
from engine.joining.pending import PendingImpressions
from engine.joining.recent_ids import RecentIds
from engine.joining.spilled import SpilledImpressions
from engine.joining.stages import Stages
from engine.joining.watermark import Watermark
from engine.spec.counter import Counter
from engine.spec.erasure import Erased
from engine.spec.joining import Positives
from engine.spec.schema import EventRole, PropertyType, Schema

_NUMBERS: Final = frozenset((PropertyType.INTEGER, PropertyType.FLOAT))


@dataclass(frozen=True, slots=True)
class JoinerSettings:
    """What a project's schema, and whoever runs the joiner, decide. Times in ms.

    `window_ms` holds for the action types that `windows_ms` does not name. `negative_sampling_rate` is the share of shown items without
    action that become examples. `label_properties` names, by action type, the numbers that become labels `<type>.<property>`.
    `positives`, `early_wait_ms` and `late_ms` are as in `engine.spec.joining`. `num_drawn` negatives, with their counters, go with an
    action without an impression. `max_*` bound the state: `max_pending` items on the disk and in memory, where they take about
    `max_pending_bytes`.
    """

    action_types: tuple[str, ...]
    window_ms: int
    history_length: int = 20
    negative_sampling_rate: float = 1.0
    idle_after_ms: int = 10_000
    max_pending: int = 5_000_000
    max_recent_event_ids: int = 500_000
    max_users: int = 1_000_000
    label_properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counters: Mapping[str, Counter] = field(default_factory=dict)
    max_counter_bytes: int = MAX_BYTES
    num_drawn: int = 0
    windows_ms: Mapping[str, int] = field(default_factory=dict)
    positives: Positives = Positives.AT_ONCE
    early_wait_ms: int = 0
    late_ms: int = 0
    max_early: int = 100_000
    max_pending_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if not 0 <= self.negative_sampling_rate <= 1:
            raise ValueError(f"negative_sampling_rate must be 0 to 1, received {self.negative_sampling_rate}")
        if min(self.window_ms, self.max_pending, self.max_recent_event_ids, self.max_users) < 1:
            raise ValueError("window_ms, max_pending, max_recent_event_ids and max_users must be at least 1")
        if min(self.early_wait_ms, self.late_ms, self.max_early, self.max_pending_bytes) < 0:
            raise ValueError("early_wait_ms, late_ms, max_early and max_pending_bytes must be at least 0")

    def stages(self) -> Stages:
        windows_ms = {action: self.windows_ms.get(action, self.window_ms) for action in self.action_types}
        return Stages(windows_ms, self.late_ms, self.window_ms)

    @classmethod
    def from_schema(cls, schema: Schema, **overrides: Any) -> JoinerSettings:
        actions = {name: one for name, one in schema.events.items() if one.role is EventRole.ACTION}
        values: dict[str, Any] = {
            "action_types": tuple(actions),
            "label_properties": {
                name: tuple(label for label, declared in one.properties.items() if declared.type in _NUMBERS)
                for name, one in actions.items()
            },
            "window_ms": _ms(schema.join_window_s),
            "windows_ms": {
                name: _ms(one.join_window_s) for name, one in actions.items() if one.join_window_s is not None
            },
            "negative_sampling_rate": schema.joining.negative_sampling_rate,
            "positives": schema.joining.positives,
            "early_wait_ms": _ms(schema.joining.early_wait_s),
            "late_ms": _ms(schema.joining.late_s),
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
    later than now, by whoever wrote them to the log, and therefore not in the schema's counters. `num_late`: actions after the end of
    their window, on an impression still known; of those `num_corrections` took the place of a negative, and where actions may not come
    late all are orphans. `num_early`: actions that waited for the impression they name; `num_early_joined` of those met it, and the
    others are orphans.
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
    num_late: int = 0
    num_corrections: int = 0
    num_early: int = 0
    num_early_joined: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)


class JoinerState:
    """The catalogue as far as it was read, users' histories, pending impressions, early actions, recent event ids, event time; the
    joiner's own counters, the state of the schema's counters (`counter_state`), the items negatives are drawn from, and how far what
    serving logs agrees with all that. `erased` are the last erasures that were carried out. Impressions that memory has no room for go to
    `spilled`.
    """

    def __init__(self, settings: JoinerSettings, spilled: SpilledImpressions | None = None) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.histories = UserHistories(settings.history_length, settings.max_users)
        self.pending = PendingImpressions(settings.stages(), settings.max_pending_bytes, spilled)
        self.early = EarlyActions(settings.early_wait_ms)
        self.recent_event_ids = RecentIds(settings.max_recent_event_ids)
        self.watermark = Watermark([], settings.idle_after_ms)
        self.counters = JoinerCounters()
        self.agreement = FeatureAgreement()
        self.counter_state = CounterState(settings.counters, settings.max_counter_bytes)
        self.recent_items = RecentItems()
        self.erased: list[Erased] = []


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
