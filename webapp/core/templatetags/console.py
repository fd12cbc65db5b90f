"""How the console writes numbers, sizes, durations, times and documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NONE = "–"
"""What stands for a value there is none of; templates hand filters the empty text for a name they do not know."""

BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
GOOD = frozenset({"running", "succeeded", "finished", "live", "done", "accepted", "ready"})
BAD = frozenset({"failed", "rejected", "silent", "revoked"})


@register.filter
def number(value: Any) -> str:
    """Digits grouped by thousands; `–` for None. Floats keep four significant digits."""
    if value is None or value == "":
        return NONE
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{int(value):,}"


@register.filter
def byte_size(value: float | str | None) -> str:
    if value is None or value == "":
        return NONE
    size = float(value)
    for unit in BYTE_UNITS:
        if abs(size) < 1000 or unit == BYTE_UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return NONE


@register.filter
def duration(value: float | str | None) -> str:
    """Seconds for people: 0.42 s, 12 s, 5 min, 3 h, 2 d."""
    if value is None or value == "":
        return NONE
    seconds = float(value)
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


@register.filter
def when(value: datetime | str | None) -> SafeString:
    """A `<time>` saying how long ago, with the exact time as its title; takes RFC 3339 text too."""
    if not value:
        return format_html("{}", NONE)
    value = datetime.fromisoformat(value) if isinstance(value, str) else value
    exact = timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z")
    ago = duration(max(0.0, (timezone.now() - value).total_seconds()))
    return format_html('<time datetime="{}" title="{}">{} ago</time>', value.isoformat(), exact, ago)


@register.filter
def exact_time(value: datetime | None) -> SafeString:
    if value is None:
        return format_html("{}", NONE)
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(), timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z")
    )


@register.filter
def moment(value: int) -> SafeString:
    """Integer milliseconds since the epoch as a time."""
    return exact_time(datetime.fromtimestamp(value / 1000, tz=UTC))


@register.filter
def state(value: object) -> SafeString:
    """A state as a coloured mark and its word (never colour alone)."""
    word = str(value)
    kind = "good" if word in GOOD else "bad" if word in BAD else "quiet"
    return format_html('<span class="state state-{}">{}</span>', kind, word)


@register.filter
def document(value: Any) -> str:
    """A JSON document, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def compact(value: Any) -> str:
    """A JSON document on one line."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def percent(value: float | None) -> str:
    """A share from 0 to 1 as a percentage."""
    return NONE if value is None else f"{value * 100:.0f}%"


@register.filter
def share(value: float | None) -> str:
    """A share from 0 to 1 as a percentage with one decimal; `–` for what was not measured."""
    return f"{value * 100:.1f}%" if isinstance(value, int | float) else NONE


@register.filter
def parts(value: int) -> str:
    """A share in parts of 10,000 as a percentage."""
    return f"{value / 100:g}%"


@register.filter
def plain(value: Any) -> str:
    """A property's value as words: a list's members after each other."""
    return ", ".join(str(member) for member in value) if isinstance(value, list) else str(value)
