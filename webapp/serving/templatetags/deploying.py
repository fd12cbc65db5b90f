"""How serving's pages write shares, times and items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from webapp.core.templatetags.console import NONE, duration, plain

register = template.Library()

TITLES = ("title", "name", "label")
MAX_TITLE = 60


@register.filter
def percent_width(value: float | None) -> str:
    """A share from 0 to 1 as a length of a picture that is 100 wide."""
    return "0" if value is None else f"{100 * min(1.0, max(0.0, value)):.1f}"


@register.filter
def milliseconds(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


@register.simple_tag
def title_of(item_id: str, properties: Mapping[str, Mapping[str, Any]] | None) -> str:
    """What people call the item: its title or name, else the first of its properties that is text; empty when it has none."""
    known = (properties or {}).get(item_id) or {}
    named = [known[name] for name in TITLES if isinstance(known.get(name), str)]
    texts = named or [value for value in known.values() if isinstance(value, str)]
    text = plain(texts[0]) if texts else ""
    return text if len(text) <= MAX_TITLE else text[: MAX_TITLE - 1] + "…"


@register.simple_tag
def properties_of(item_id: str, properties: Mapping[str, Mapping[str, Any]] | None) -> list[tuple[str, Any]]:
    """The item's properties that have a value."""
    known = (properties or {}).get(item_id) or {}
    return [(name, value) for name, value in known.items() if value is not None]


@register.filter
def signed(value: float) -> str:
    """With its sign, to four digits."""
    return f"{value:+.4g}"


@register.filter
def signed_share(value: float | None) -> str:
    """A share as a percentage with its sign."""
    return NONE if value is None else f"{value:+.1%}"


@register.filter
def since(time_ms: int, start_ms: int) -> str:
    """How long after `start_ms`."""
    seconds = (time_ms - start_ms) / 1000
    return f"{duration(seconds)} later" if seconds >= 0 else f"dated {duration(-seconds)} before"


@register.filter
def words(name: str) -> str:
    """A field's name as words."""
    said = "number of " + name.removeprefix("num_") if name.startswith("num_") else name
    return said.replace("_", " ").capitalize()
