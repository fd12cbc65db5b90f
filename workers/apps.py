"""Makes the management commands of this package known to Django. It has no models."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
