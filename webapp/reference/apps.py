"""Django's registration of this room."""

from django.apps import AppConfig


class ReferenceConfig(AppConfig):
    name = "webapp.reference"
    label = "reference"
