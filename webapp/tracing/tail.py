"""The end of what arrives: accepted events from the log, refused ones from where they are kept, at a bounded cost each time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from engine.errors import OffsetOutOfRange, UnknownTopic
from engine.spec.intake import Intake
from engine.streams import topics
from engine.streams.partitioning import partition_of
from webapp.accounts.models import Project
from webapp.catalog.models import DeadEvent, RejectedRow
from webapp.catalog.senders import Senders, senders_of
from webapp.core.clock import wall_ms
from webapp.core.errors import Invalid
from webapp.core.log import event_log
from webapp.registry.selectors import event_validator
from webapp.tracing.finding import first_received, when
from webapp.tracing.seeking import backwards, bounds_of
from webapp.tracing.tail_rows import TailFilter, TailRow, dead_row, event_row, rejected_row, repeats_row

ROWS_SHOWN: Final = 50
LOOKED_AT: Final = 3_000
"""Records of each partition at one look back; what lies before has an address of its own."""

NEWS_AT_ONCE: Final = 500
REFUSED_LOOKED_AT: Final = 200
TOLD_WITHIN_MS: Final = 1_000

_PLACES = re.compile(r"^((?:\d{1,6}\.\d{1,18}(?:,\d{1,6}\.\d{1,18})*)?);r(\d{1,18});d(\d{1,18});t(\d{1,16})$")


@dataclass(frozen=True, slots=True)
class TailPlaces:
    """How far was looked: next offsets by partition, the newest refused rows, and the moment in ms."""

    offsets: Mapping[int, int]
    rejected_id: int
    dead_id: int
    at_ms: int

    def __str__(self) -> str:
        offsets = ",".join(f"{partition}.{offset}" for partition, offset in sorted(self.offsets.items()))
        return f"{offsets};r{self.rejected_id};d{self.dead_id};t{self.at_ms}"

    @classmethod
    def parse(cls, text: str) -> TailPlaces:
        """Raises `Invalid`."""
        found = _PLACES.match(text) if len(text) <= 4096 else None
        if found is None:
            raise Invalid.field("after", "must be as an earlier answer said it", repr(text[:80]))
        pairs = (pair.split(".") for pair in found[1].split(",") if pair)
        return cls(
            {int(partition): int(offset) for partition, offset in pairs}, int(found[2]), int(found[3]), int(found[4])
        )


@dataclass(frozen=True, slots=True)
class TailPage:
    """`rows` newest first. `looked_back_ms`: everything received after that was looked at. `num_passed`: news too many to show."""

    rows: list[TailRow]
    places: TailPlaces
    looked_back_ms: int | None = None
    num_passed: int = 0
    is_filled: bool = False

    @property
    def looked_back(self) -> datetime | None:
        return when(self.looked_back_ms)

    @property
    def older_ms(self) -> int | None:
        """Where the page before begins."""
        return self.rows[-1].at_ms - 1 if self.is_filled else self.looked_back_ms


def tail_page(
    *,
    project: Project,
    wanted: TailFilter,
    until_ms: int | None = None,
    limit: int = ROWS_SHOWN,
    now_ms: Callable[[], int] = wall_ms,
) -> TailPage:
    """The newest `limit` rows that were received until then. Raises `LogError`."""
    reader = _Reader(project, wanted)
    newest_ids = _newest_id(RejectedRow, project), _newest_id(DeadEvent, project)
    places = TailPlaces(reader.ends(), *newest_ids, reader.told_ms(now_ms()))
    rows, since = reader.events_before(until_ms, limit)
    rows += reader.refused(when(until_ms))
    rows += [
        repeats_row(one)
        for one in reader.senders.calls
        if one.num_repeated and (until_ms is None or one.at_ms <= until_ms)
    ]
    shown = sorted(filter(wanted.passes, rows), key=lambda row: row.at_ms, reverse=True)
    # Behind what was looked at there may be events between refused rows; they come with the page before.
    if since is not None:
        shown = [row for row in shown if row.at_ms >= since]
    return TailPage(shown[:limit], places, since, is_filled=len(shown) > limit)


def tail_news(
    *, project: Project, wanted: TailFilter, after: TailPlaces, now_ms: Callable[[], int] = wall_ms
) -> TailPage:
    """What came since, newest first: at most `NEWS_AT_ONCE` events of each partition, of the others the number. Raises `LogError`."""
    reader = _Reader(project, wanted)
    rows, offsets, num_passed = reader.events_after(after.offsets)
    rejected = list(
        RejectedRow.objects.filter(project=project, pk__gt=after.rejected_id).order_by("-pk")[:NEWS_AT_ONCE]
    )
    dead = list(DeadEvent.objects.filter(project=project, pk__gt=after.dead_id).order_by("-pk")[:NEWS_AT_ONCE])
    rows += [rejected_row(row) for row in rejected] + [_dead(row) for row in dead]
    rows += [repeats_row(one) for one in reader.senders.calls if one.num_repeated and one.at_ms > after.at_ms]
    places = TailPlaces(
        offsets,
        rejected[0].pk if rejected else after.rejected_id,
        dead[0].pk if dead else after.dead_id,
        max(after.at_ms, reader.told_ms(now_ms())),
    )
    shown = sorted(filter(wanted.passes, rows), key=lambda row: row.at_ms, reverse=True)
    return TailPage(shown[:ROWS_SHOWN], places, num_passed=num_passed + max(0, len(shown) - ROWS_SHOWN))


class _Reader:
    def __init__(self, project: Project, wanted: TailFilter) -> None:
        self._project, self._wanted = project, wanted
        self._log, self._topic = event_log(), topics.events(project.slug)
        self._intake = Intake(event_validator(project=project), time.time)
        self.senders = senders_of(project.slug)

    def told_ms(self, now_ms: int) -> int:
        """Up to when calls were told of: what was sent just now is still to be."""
        return self.senders.calls[0].at_ms if self.senders.calls else now_ms - TOLD_WITHIN_MS

    def ends(self) -> dict[int, int]:
        return {partition: held.stop for partition, held in self._bounds().items()}

    def events_before(self, until_ms: int | None, limit: int) -> tuple[list[TailRow], int | None]:
        """The newest, and back to when all were looked at where there are more."""
        rows: list[TailRow] = []
        since: list[int] = []
        if self._wanted.only_refused:
            return rows, None
        for partition, held in self._bounds().items():
            stop = held.stop
            if until_ms is not None:
                stop = first_received(self._log, self._topic, partition, held, until_ms + 1)
            found: list[TailRow] = []
            num_read, oldest = 0, stop
            for record in backwards(self._log, self._topic, partition, range(held.start, stop), LOOKED_AT):
                num_read, oldest = num_read + 1, record.offset
                row = self._row(record)
                if row is not None:
                    found.append(row)
                if len(found) > limit:
                    break
            rows += found
            if oldest > held.start:
                since.append(found[-1].at_ms if len(found) > limit else self._received_ms(partition, oldest))
        return rows, max(since, default=None)

    def events_after(self, offsets: Mapping[int, int]) -> tuple[list[TailRow], dict[int, int], int]:
        """The news, where they end, and how many of them were passed over."""
        rows: list[TailRow] = []
        ends, num_passed = {}, 0
        for partition, held in self._bounds().items():
            ends[partition] = held.stop
            if self._wanted.only_refused:
                continue
            first = max(held.start, min(offsets.get(partition, held.stop), held.stop), held.stop - NEWS_AT_ONCE)
            num_passed += max(0, first - offsets.get(partition, first))
            for record in backwards(self._log, self._topic, partition, range(first, held.stop), NEWS_AT_ONCE):
                if (row := self._row(record)) is not None:
                    rows.append(row)
        return rows, ends, num_passed

    def refused(self, until: datetime | None) -> list[TailRow]:
        rejected = RejectedRow.objects.filter(project=self._project).order_by("-received_at", "-id")
        dead = DeadEvent.objects.filter(project=self._project).order_by("-id")
        if until is not None:
            rejected, dead = rejected.filter(received_at__lte=until), dead.filter(buried_at__lte=until)
        return [rejected_row(row) for row in rejected[:REFUSED_LOOKED_AT]] + [
            _dead(row) for row in dead[:REFUSED_LOOKED_AT]
        ]

    def _bounds(self) -> dict[int, range]:
        """Of the partitions in which the wanted user's events can be."""
        try:
            bounds = bounds_of(self._log, self._topic)
        except UnknownTopic:
            return {}
        if not self._wanted.user_id:
            return bounds
        partition = partition_of(self._wanted.user_id, len(bounds))
        return {partition: bounds[partition]}

    def _row(self, record: Any) -> TailRow | None:
        if not self._wanted.may_be(record) or not self._wanted.may_be_sent(record, self.senders):
            return None
        row = event_row(record, self._intake, self.senders)
        return row if row is not None and self._wanted.passes(row) else None

    def _received_ms(self, partition: int, offset: int) -> int:
        try:
            [record] = self._log.read(self._topic, partition, offset, 1)
        except (OffsetOutOfRange, ValueError):
            return 0
        row = event_row(record, self._intake, Senders([]))
        return record.timestamp_ms if row is None else row.at_ms


def _dead(row: DeadEvent) -> TailRow:
    return dead_row(row, _said(row.value))


def _said(value: str) -> dict[str, Any]:
    try:
        said = orjson.loads(value)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _newest_id(model: type[RejectedRow] | type[DeadEvent], project: Project) -> int:
    newest: Iterable[int] = model.objects.filter(project=project).order_by("-pk").values_list("pk", flat=True)[:1]
    return next(iter(newest), 0)
