"""What the parameter-sync page shows of a model version: how it stands now, how it went, and what was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webapp.core.pictures.bars import TimeBars, time_bars
from webapp.core.pictures.lines import Lines, lines
from webapp.registry.models import ModelVersion
from webapp.serving import selectors
from webapp.serving.freshness_histogram import OBJECTIVE_S, Histogram, histogram
from webapp.serving.freshness_parts import Part, freshness_parts
from webapp.serving.freshness_series import freshness_of, series_of
from webapp.serving.sync_orders import orders_described
from webapp.tracing.models import Resync, SyncPace
from webapp.tracing.sync_history import NUM_BINS, SyncHistory, resyncs_of, sync_history, verified_of
from webapp.training.models import Publish

WINDOWS = {"15m": (900, "15 min"), "1h": (3600, "1 hour"), "6h": (21_600, "6 hours"), "24h": (86_400, "24 hours")}
DEFAULT_WINDOW = "1h"
ORDERS_SHOWN = 5
PUBLISHES_SHOWN = 20
OTHERS = "other slots"
MAX_SLOTS = 5

CAUSES = {
    "gap": "A delta was missing.",
    "corrupt": "A delta could not be read: its checksum or its contents were wrong.",
    "trimmed": "The log had let go of deltas that it had yet to apply.",
    "digest": "Its tables were not the trainer's, though it had applied every delta.",
    "behind": "It was so far behind that a snapshot was the shorter way.",
    "asked": "Somebody asked for it.",
}


@dataclass(frozen=True, slots=True)
class ToldResync:
    """A resync and what its cause means."""

    resync: Resync
    meaning: str


@dataclass(frozen=True, slots=True)
class SyncPictures:
    """Over a window of time; `touched` is None before a publish was noted, the others before a replica was."""

    freshness: Lines | None
    histogram: Histogram
    behind: Lines | None
    age: Lines | None
    applied: Lines | None
    touched: TimeBars | None


@dataclass(frozen=True, slots=True)
class PublishPage:
    """Publishes, newest first; `older_id` asks for those before."""

    rows: Sequence[Publish]
    older_id: int | None
    is_newest: bool


def sync_now(*, model_version: ModelVersion) -> dict[str, Any]:
    """`status` as `selectors.sync_status`, with what pages say of it beside."""
    status = selectors.sync_status(model_version=model_version)
    verified = verified_of(model_version=model_version)
    for replica in status["replicas"]:
        replica["verified_sequence"] = verified.get(replica["name"], 0)
    # Those that only say how far training came carry nothing.
    carrying = [one for one in status["deltas"] if one["kind"] == "rows" and one["num_rows"] + one["num_deletes"]]
    alive = [replica for replica in status["replicas"] if replica["is_alive"]]
    return {
        "status": status,
        "shown": model_version,
        "freshness": freshness_of(model_version=model_version),
        "objective_s": OBJECTIVE_S,
        "pace": SyncPace.objects.filter(model_version=model_version).first(),
        "orders": orders_described(model_version=model_version)[:ORDERS_SHOWN],
        "mean_rows": _mean([one["num_rows"] for one in carrying]),
        "mean_bytes": _mean([one["num_bytes"] for one in carrying]),
        "num_carrying": len(carrying),
        "num_replicas": len({replica["name"] for replica in status["replicas"]}),
        "num_alive": len({replica["name"] for replica in alive}),
        "num_behind": max((replica["num_behind"] for replica in alive), default=None),
        "oldest_age_s": max((one["age_s"] for one in status["replicas"] if one["age_s"] is not None), default=None),
    }


def sync_pictures(*, model_version: ModelVersion, window_s: int) -> dict[str, Any]:
    """How it went: pictures, and the newest resyncs with what their causes mean."""
    history = sync_history(model_version=model_version, window_s=window_s)
    parts = freshness_parts(model_version=model_version, window_s=window_s, num_parts=NUM_BINS)
    return {
        "pictures": SyncPictures(
            _freshness(parts),
            _histogram(parts),
            _lines(history, history.behind, "deltas", "Deltas that each replica had yet to apply"),
            _lines(history, history.age_s, "s", "Age of the parameters that each replica served"),
            _lines(history, history.bytes_applied_s, "bytes/s", "Bytes of deltas that each replica applied a second"),
            _touched(history, model_version),
        ),
        "resyncs": [
            ToldResync(one, CAUSES.get(one.cause, one.cause)) for one in resyncs_of(model_version=model_version)
        ],
    }


def publish_page(*, model_version: ModelVersion, before_id: int | None = None) -> PublishPage:
    """`PUBLISHES_SHOWN` of them, from behind `before_id`."""
    rows = Publish.objects.filter(model_version=model_version)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    found = list(rows.order_by("-id")[: PUBLISHES_SHOWN + 1])
    shown = found[:PUBLISHES_SHOWN]
    return PublishPage(shown, shown[-1].pk if len(found) > len(shown) else None, before_id is None)


def _histogram(parts: Sequence[Part]) -> Histogram:
    counts: Counter[float] = Counter()
    for part in parts:
        counts.update(part.counts)
    return histogram(counts, sum(part.num_given_up for part in parts))


def _freshness(parts: Sequence[Part]) -> Lines | None:
    points = series_of(parts)
    if not points:
        return None
    at_ms = [round(point["at_s"] * 1000) for point in points]
    series: dict[str, list[float | None]] = {
        name: [point[f"{name}_s"] for point in points] for name in ("p50", "p95", "max")
    }
    series["objective"] = [OBJECTIVE_S] * len(points)
    return lines(series, at_ms, unit="s", title="From an event's receipt to answers that know of it")


def _lines(history: SyncHistory, series: dict[str, list[float | None]], unit: str, title: str) -> Lines | None:
    return lines(dict(sorted(series.items())), history.at_ms, unit=unit, title=title) if series else None


def _touched(history: SyncHistory, model_version: ModelVersion) -> TimeBars | None:
    """The busiest slots by name, and the others together."""
    if not history.touched_s:
        return None
    names = {slot.get("number"): slot.get("name") for slot in model_version.document.get("slots", ())}
    busiest = sorted(history.touched_s.items(), key=lambda one: -sum(one[1]))
    series = {str(names.get(number) or f"slot {number}"): values for number, values in busiest[:MAX_SLOTS]}
    if len(busiest) > MAX_SLOTS:
        rest = [values for _, values in busiest[MAX_SLOTS:]]
        series[OTHERS] = [sum(each) for each in zip(*rest, strict=True)]
    title = "Rows that training touched and published, by slot"
    return time_bars(series, history.at_ms, unit="rows/s", title=title, bin_ms=1000 * history.bin_s)


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
