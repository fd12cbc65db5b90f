"""A search's trials as lines over parallel axes, one axis for each value that varies and one for the metric."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from engine.spec.search import Choice, LogRange, SearchSettings, Varied
from webapp.training.search_models import Trial

WIDTH, HEIGHT = 900, 260
TICKS = 5
MAX_WORD = 14
NUM_GRADES = 8


def brushes(settings: SearchSettings) -> list[dict[str, Any]]:
    """What narrows an axis by two sliders: its name, the steps of a slider from 0 to 100, and what a place on it is called."""
    found = []
    for each in settings.varies:
        num = len(each.values) if isinstance(each, Choice) else 0
        found.append(
            {
                "title": _short(each.path),
                "path": each.path,
                "step": 100 / (num - 1) if num > 1 else 1,
                "words": [_word(value) for value in each.values] if isinstance(each, Choice) else None,
                "low": None if isinstance(each, Choice) else each.low,
                "high": None if isinstance(each, Choice) else each.high,
                "is_log": isinstance(each, LogRange),
            }
        )
    name = settings.metric.value
    return [*found, {"title": name, "path": name, "step": 1, "words": None, "low": None, "high": None, "is_log": False}]


def picture(settings: SearchSettings, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Axes and lines in units of a `WIDTH` by `HEIGHT` picture, the best line last; None before a trial has a value.

    A line has its `shares`, how far up each axis it is, from 0 to 1, and its `grade`, from 0 for the worst to `NUM_GRADES` - 1.
    """
    shown = [trial for trial in trials if trial.value is not None]
    if not shown:
        return None
    values = [trial.value for trial in shown if trial.value is not None]
    low, high = min(values), max(values)
    best = low if settings.metric.falls else high
    spacing = WIDTH / len(settings.varies)
    axes = [
        {"x": round(place * spacing, 1), "title": _short(each.path), "path": each.path, "ticks": _ticks(each)}
        for place, each in enumerate(settings.varies)
    ]
    axes.append(
        {
            "x": WIDTH,
            "title": settings.metric.value,
            "path": settings.metric.value,
            "ticks": [{"y": HEIGHT, "word": f"{low:.4g}"}, {"y": 0, "word": f"{high:.4g}"}],
        }
    )
    lines = [_line(settings, trial, axes, low, high, best) for trial in shown]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "axes": axes,
        "lines": sorted(lines, key=lambda line: line["merit"]),
        "grades": list(range(NUM_GRADES)),
        "worst": high if settings.metric.falls else low,
        "best": best,
        "low": low,
        "high": high,
    }


def _line(  # noqa: PLR0917 - what one line is drawn by
    settings: SearchSettings, trial: Trial, axes: list[dict[str, Any]], low: float, high: float, best: float
) -> dict[str, Any]:
    shares = [_share(each, trial.params.get(each.path)) for each in settings.varies]
    value = trial.value if trial.value is not None else low
    shares.append((value - low) / (high - low) if high > low else 0.5)
    points = [f"{axis['x']},{HEIGHT * (1 - share):.1f}" for axis, share in zip(axes, shares, strict=True)]
    merit = 1.0 - shares[-1] if settings.metric.falls else shares[-1]
    return {
        "number": trial.number,
        "points": " ".join(points),
        "merit": round(merit, 3),
        "grade": min(NUM_GRADES - 1, int(merit * NUM_GRADES)),
        "shares": ",".join(f"{share:.4f}" for share in shares),
        "value": value,
        "is_best": value == best,
    }


def _share(varied: Varied, value: Any) -> float:
    """How far up its axis a value lies, 0 to 1."""
    if isinstance(varied, Choice):
        places = [json.dumps(each) for each in varied.values]
        place = places.index(json.dumps(value)) if json.dumps(value) in places else 0
        return place / (len(places) - 1) if len(places) > 1 else 0.5
    low, high, own = varied.low, varied.high, float(value)
    if isinstance(varied, LogRange):
        low, high, own = math.log(low), math.log(high), math.log(own)
    return min(1.0, max(0.0, (own - low) / (high - low)))


def _ticks(varied: Varied) -> list[dict[str, Any]]:
    if isinstance(varied, Choice):
        marked: list[Any] = varied.values
    elif isinstance(varied, LogRange):
        steps = range(TICKS)
        marked = [varied.low * (varied.high / varied.low) ** (step / (TICKS - 1)) for step in steps]
    else:
        marked = [varied.low + (varied.high - varied.low) * step / (TICKS - 1) for step in range(TICKS)]
    if not isinstance(varied, Choice) and varied.is_whole:
        marked = sorted({round(value) for value in marked})
    return [{"y": round(HEIGHT * (1 - _share(varied, value)), 1), "word": _word(value)} for value in marked]


def word_of(value: Any) -> str:
    """A value as the page shows it: floats to four digits, the rest as JSON."""
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _word(value: Any) -> str:
    word = f"{value:.3g}" if isinstance(value, float) else json.dumps(value)
    return word if len(word) <= MAX_WORD else word[: MAX_WORD - 1] + "…"


def _short(path: str) -> str:
    """The last parts of a path: `sparse_optimizer.learning_rate` is "learning_rate", `slots.0.dim` is "slots.0.dim"."""
    parts = path.split(".")
    return path if any(part.isdigit() for part in parts) else parts[-1]
