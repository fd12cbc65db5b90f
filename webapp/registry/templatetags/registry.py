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
