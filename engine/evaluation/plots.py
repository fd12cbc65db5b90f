"""Pictures of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def plot_curves(
    path: Path, curves: Mapping[str, Sequence[Sequence[float]]], *, title: str, across: str, upward: str
) -> Path:
    """Lines of means with bands of one standard deviation over runs; `curves` by name, runs of values from 1 on. Raises OSError."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes: Any = figure.subplots()
    for name, runs in curves.items():
        values = np.array(runs)
        places = np.arange(1, values.shape[1] + 1)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        (line,) = axes.plot(places, mean, marker="o", markersize=3, label=name)
        axes.fill_between(places, mean - deviation, mean + deviation, alpha=0.15, color=line.get_color())
    axes.set(title=title, xlabel=across, ylabel=upward)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def plot_intervals(
    path: Path, values: Mapping[str, Mapping[str, tuple[float, float, float]]], *, title: str, upward: str
) -> Path:
    """Points with intervals: by series, by name, (value, low, high). Raises OSError."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes: Any = figure.subplots()
    for name, points in values.items():
        middle = np.array([value for value, _, _ in points.values()])
        spread = np.abs(np.array([[value - low, high - value] for value, low, high in points.values()]).T)
        axes.errorbar(list(points), middle, yerr=spread, marker="o", capsize=3, label=name)
    axes.set(title=title, ylabel=upward)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
