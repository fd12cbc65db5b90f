"""Whether a project's pages have to say that more bad messages arrive than are kept."""

from __future__ import annotations

from datetime import datetime

from django import template

from webapp.accounts.models import Project
from webapp.catalog.inbox_selectors import flooded_at

register = template.Library()


@register.simple_tag
def flooded_since(project: Project) -> datetime | None:
    """None while everything refused is kept."""
    return flooded_at(project=project)
