"""The document's prose as HTML."""

from __future__ import annotations

import re

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_CODE = re.compile(r"`([^`\n]+)`")


@register.filter
def prose(text: str) -> SafeString:
    """Paragraphs, with what stands in backticks as code; everything else is escaped."""
    paragraphs = [one.strip() for one in re.split(r"\n\s*\n", str(text)) if one.strip()]
    return mark_safe("".join(f"<p>{prose_line(one)}</p>" for one in paragraphs))  # noqa: S308  (of what is safe)


@register.filter
def prose_line(text: str) -> SafeString:
    """One paragraph without its tag."""
    escaped = str(conditional_escape(text))
    return mark_safe(_CODE.sub(r"<code>\1</code>", escaped))  # noqa: S308  (escaped above)
