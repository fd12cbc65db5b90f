"""How the console names architectures."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.registry.architecture_titles import ABOUT

register = template.Library()


@register.filter
def architecture(kind: str) -> SafeString:
    """The title of a kind of architecture, and whether it is for retrieval or ranking; a kind that is none as it stands."""
    about = ABOUT.get(kind)
    if about is None:
        return format_html("{}", kind)
    stage = "retrieval" if about.is_retrieval else "ranking"
    return format_html('{} <span class="tag">{}</span>', about.title, stage)


@register.filter
def about(value: float | str | None) -> str:
    """An estimated count to three digits: 12, 1,530, 12,300, 4.56 M; `–` for what is not known."""
    if value is None or value == "":
        return "–"
    number = float(value)
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    if number < 1000:
        return f"{number:.0f}"
    digits = len(f"{number:.0f}") - 3
    return f"{round(number, -digits):,.0f}"


@register.filter
def hundredths(value: float) -> str:
    """A share from 0 to 1 as an SVG length of 100."""
    return f"{100 * value:.1f}"
