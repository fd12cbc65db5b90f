"""Parts of addresses, registered with Django once this module is imported."""

from __future__ import annotations

from django.urls import register_converter


class NameConverter:
    """A declared name (`engine.spec.document.Name`): whatever is not one cannot exist, so the address is unknown."""

    regex = "[a-z][a-z0-9_]{0,62}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(NameConverter, "name")
