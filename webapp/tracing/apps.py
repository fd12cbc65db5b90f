"""The app's name for Django."""

from __future__ import annotations

from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "webapp.tracing"
    label = "tracing"
