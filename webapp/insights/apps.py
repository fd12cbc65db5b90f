"""Django's registration of this room."""

from django.apps import AppConfig


class InsightsConfig(AppConfig):
    name = "webapp.insights"
    label = "insights"
