"""The picture of `make bench-engine`, drawn from its own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from deploy.launcher.environment import ROOT
from tests.bench.engine_plan import IN_CPP

PLOT = ROOT / "docs" / "bench-engine.svg"
WIDTH, LABEL, BAR, GAP, HEAD = 860, 250, 20, 8, 46
MINE, OTHERS = "#0b6e99", "#b8bfc6"
PANELS = (
    ("Lookups, uniform, 64k batch, 1 thread: share of a bare gather", "{}_lookup_uniform_64k_1t_share_of_gather", 2),
    (
        "Adagrad in place, the same: share of a bare gather-and-write",
        "{}_adagrad_uniform_64k_1t_share_of_gather_and_write_with_adagrad",
        2,
    ),
    ("Growing from empty, warm pages: million keys a second", "{}_growth_keys_per_s", -6),
    ("Longest batch of 65,536 while growing: milliseconds", "{}_growth_batch_max_ms", 0),
)


def plotted(values: Mapping[str, float]) -> str:
    """An SVG of horizontal bars, one panel a figure; a contestant without the figure is left out of its panel."""
    parts, top = [], 10.0
    for title, pattern, digits in PANELS:
        bars = [
            (listed.title, values[name]) for each, listed in IN_CPP.items() if (name := pattern.format(each)) in values
        ]
        if not bars:
            continue
        scale = 1e-6 if digits == -6 else 1.0
        parts.append(_panel(title, [(label, value * scale) for label, value in bars], max(digits, 1), top))
        top += HEAD + len(bars) * (BAR + GAP)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 10:.0f}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _panel(title: str, bars: Sequence[tuple[str, float]], digits: int, top: float) -> str:
    longest = max(value for _, value in bars)
    room = WIDTH - LABEL - 90
    lines = [f'<text x="10" y="{top + 24:.0f}" font-weight="600" fill="#1c2126">{escape(title)}</text>']
    for number, (label, value) in enumerate(bars):
        y = top + HEAD - 8 + number * (BAR + GAP)
        width = room * value / longest
        colour = MINE if label.startswith("Freshet") else OTHERS
        lines.append(f'<text x="{LABEL - 10}" y="{y + 14:.0f}" text-anchor="end" fill="#1c2126">{escape(label)}</text>')
        lines.append(f'<rect x="{LABEL}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
        lines.append(f'<text x="{LABEL + width + 6:.1f}" y="{y + 14:.0f}" fill="#1c2126">{value:,.{digits}f}</text>')
    return "\n".join(lines)
