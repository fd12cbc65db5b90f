"""The health strip: what happens now, beside the last hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from webapp.accounts.models import Project
from webapp.core.navigation import address_of
from webapp.core.pictures.lines import Sparkline, sparkline
from webapp.core.pictures.scales import amount_text
from webapp.core.rate_windows import ProjectRates, Window, rates_of
from webapp.core.templatetags.console import duration
from webapp.overview.fresh import OBJECTIVE_S, Fresh, freshness_by_version, versions_online
from webapp.registry.models import ModelVersion
from webapp.training.models import JoinerProgress, Run

UNKNOWN = "Redis does not answer, so nothing is counted"
STATUSES_SHOWN = 3


class Standing(StrEnum):
    """What a cell's value means; nothing where no limit is known."""

    GOOD = "good"
    BAD = "bad"
    QUIET = ""


@dataclass(frozen=True)
class Cell:
    """One number of the strip: `value` and `unit` now, `about` beside it, `verdict` in words where there is one."""

    key: str
    name: str
    value: str
    unit: str
    about: str
    url: str
    picture: Sparkline | None
    standing: Standing = Standing.QUIET
    verdict: str = ""


def health_of(*, project: Project) -> list[Cell]:
    found = rates_of([project.slug])
    rates = found[project.slug] if found is not None else None
    versions = versions_online([project.pk]).get(project.pk, [])
    fresh = freshness_by_version([version.pk for version in versions])

    def link(name: str, *more: object) -> str:
        return address_of(name, project.slug, *more)

    return [
        _events(rates, link("events")),
        _calls(rates, link("deployments")),
        _latency(rates, link("deployments")),
        _lag(project, rates, link("runs")),
        _freshness(versions, fresh, link),
        _errors(rates, link("rejected_rows")),
    ]


def rate_text(value: float | None) -> str:
    """A rate for people: two digits below ten, whole above."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.05 or not value else f"{value:.2g}"


def _spark(rates: ProjectRates | None, of: Callable[[Window], float | None], unit: str, title: str) -> Sparkline | None:
    if rates is None:
        return None
    return sparkline([of(window) for window in rates.minutes], unit=unit, title=f"{title}, last hour by minute")


def _events(rates: ProjectRates | None, url: str) -> Cell:
    about = UNKNOWN if rates is None else f"{amount_text(rates.total('events'))} accepted in the last hour"
    return Cell(
        "events",
        "Events",
        rate_text(rates.now.per_s("events") if rates else None),
        "/s",
        about,
        url,
        _spark(rates, lambda window: window.per_s("events"), "events a second", "Events"),
    )


def _calls(rates: ProjectRates | None, url: str) -> Cell:
    about = UNKNOWN if rates is None else f"{amount_text(rates.total('calls'))} in the last hour"
    if rates and (degraded := rates.total("degraded")):
        about += f", {amount_text(degraded)} degraded"
    return Cell(
        "calls",
        "Recommendations",
        rate_text(rates.now.per_s("calls") if rates else None),
        "/s",
        about,
        url,
        _spark(rates, lambda window: window.per_s("calls"), "calls a second", "Recommendations"),
    )


def _latency(rates: ProjectRates | None, url: str) -> Cell:
    p50, p99 = (rates.now.latency_ms(share) if rates else None for share in (0.5, 0.99))
    about = UNKNOWN if rates is None else "no call in the last 30 s" if p50 is None else f"p50 {p50:.3g} ms"
    return Cell(
        "latency",
        "Latency p99",
        "–" if p99 is None else f"{p99:.3g}",
        "" if p99 is None else "ms",
        about,
        url,
        _spark(rates, lambda window: window.latency_ms(0.99), "ms", "Latency p99"),
    )


def _lag(project: Project, rates: ProjectRates | None, url: str) -> Cell:
    joiner = JoinerProgress.objects.filter(project=project).values_list("lag_records", flat=True).first()
    runs = Run.objects.filter(project=project, mode=Run.Mode.ONLINE, wanted=True)
    lags = [
        latest["lag_records"] for latest in runs.values_list("latest", flat=True) if "lag_records" in (latest or {})
    ]
    about = (
        f"joiner {amount_text(joiner)} {'event' if joiner == 1 else 'events'} behind"
        if joiner
        else "the joiner has read everything"
    )
    return Cell(
        "lag",
        "Training lag",
        amount_text(max(lags)) if lags else "–",
        "examples" if lags else "",
        about if lags else "no online run",
        url,
        _spark(rates, lambda window: window.highest("lag.run."), "examples", "Training lag"),
    )


def _freshness(versions: Sequence[ModelVersion], fresh: dict[int, Fresh], link: Callable[..., str]) -> Cell:
    known = [version for version in versions if fresh[version.pk].worst_s is not None]
    if not known:
        about = "no canary came through yet" if versions else "nothing trains online"
        return Cell("freshness", "Freshness p95", "–", "", about, link("sync"), None)
    worst = max(known, key=lambda version: fresh[version.pk].worst_s or 0.0)
    measured = fresh[worst.pk]
    value = measured.worst_s or 0.0
    is_good = value <= OBJECTIVE_S
    number, _, unit = duration(value).partition(" ")
    return Cell(
        "freshness",
        "Freshness p95",
        number,
        unit,
        f"{worst}, p50 {duration(measured.p50_s)}, last 5 min",
        link("sync_model", worst.model.name, worst.version),
        sparkline(measured.minutes_p95_s, unit="s", title="Freshness p95, last hour by minute", limit=OBJECTIVE_S),
        Standing.GOOD if is_good else Standing.BAD,
        f"{'within' if is_good else 'above'} {OBJECTIVE_S:g} s",
    )


def _errors(rates: ProjectRates | None, url: str) -> Cell:
    if rates is None:
        return Cell("errors", "Errors", "–", "", UNKNOWN, url, None)
    by_status: dict[int, int] = {}
    for window in rates.minutes:
        for status, num in window.by_status.items():
            if status >= 400:
                by_status[status] = by_status.get(status, 0) + num
    shown = sorted(by_status.items(), key=lambda each: -each[1])[:STATUSES_SHOWN]
    words = [f"{status} ×{amount_text(num)}" for status, num in shown]
    if rejected := rates.total("rejected"):
        words.append(f"{amount_text(rejected)} {'row' if rejected == 1 else 'rows'} refused")
    failed = sum(num for status, num in by_status.items() if status >= 500)
    return Cell(
        "errors",
        "Errors",
        amount_text(sum(by_status.values())),
        "calls refused or failed, last hour",
        " · ".join(words) or "every call was answered",
        url,
        _spark(rates, lambda window: float(window.num_errors), "calls a minute", "Errors"),
        Standing.BAD if failed else Standing.QUIET,
        f"{amount_text(failed)} failed in the server" if failed else "",
    )
