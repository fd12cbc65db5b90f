"""How the training pages write a log line's level and how long a run took."""

from __future__ import annotations

import logging

from django import template
from django.utils import timezone

from webapp.core.templatetags.console import duration
from webapp.training.models import Run

register = template.Library()


@register.filter
def level_word(level: int) -> str:
    """As Python's logging counts: `info`, `warning` or `error`."""
    return "error" if level >= logging.ERROR else "warning" if level >= logging.WARNING else "info"


@register.filter
def took(run: Run) -> str:
    """From the run's start to its end, or until now."""
    if run.started_at is None:
        return duration(None)
    return duration(max(0.0, ((run.finished_at or timezone.now()) - run.started_at).total_seconds()))
