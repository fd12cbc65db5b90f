"""How pages of users and items write times of events."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils.safestring import SafeString

from webapp.core.templatetags.console import when

register = template.Library()


@register.filter
def ago(value: int) -> SafeString:
    """Integer milliseconds since the epoch as how long ago that is."""
    return when(datetime.fromtimestamp(value / 1000, tz=UTC))
