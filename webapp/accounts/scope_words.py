"""What each scope allows, as the API's own endpoints declare it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from webapp.accounts.models import Scope


@cache
def calls_by_scope() -> Mapping[str, tuple[str, ...]]:
    """`POST /api/v1/events` and so on by scope, in the order of the addresses."""
    found: dict[str, list[str]] = {scope: [] for scope in Scope.values}
    for address, view in _views(get_resolver("webapp.api_urls").url_patterns, "/api/v1/"):
        for method, scopes in getattr(view, "scopes", {}).items():
            for scope in scopes:
                found[scope].append(f"{method} {address}")
    return {scope: tuple(calls) for scope, calls in found.items()}


def _views(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield _plain(address), getattr(pattern.callback, "view_class", None)


def _plain(address: str) -> str:
    """`<name:name>` as `{name}`."""
    parts = address.split("<")
    return parts[0] + "".join(f"{{{part.split('>')[0].split(':')[-1]}}}{part.partition('>')[2]}" for part in parts[1:])
