"""Django's registration of this room."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "webapp.batches"
    label = "batches"
