"""`/metrics`: what this server counts, in Prometheus' text format, over all its web processes."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from rest_framework.exceptions import APIException

from webapp.accounts.authentication import key_of, refused_key, secret_in
from webapp.accounts.models import ApiKey, Scope
from webapp.accounts.permissions import missing_scope
from webapp.core.errors import Forbidden
from webapp.core.metrics_sharing import VARIABLE
from webapp.core.processes import is_alive

PROJECT = "project"
"""The label of what belongs to a tenant: a key sees its own project's, and what belongs to none."""

_LIVE_FILE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For this machine without a key, else for a key with the scope `manage`, of its own project."""
    try:
        project = _reader(request)
    except (Forbidden, APIException) as error:
        status = error.status if isinstance(error, Forbidden) else error.status_code
        return HttpResponse(f"{error}\n", content_type="text/plain; charset=utf-8", status=status)
    return HttpResponse(generate_latest(_Visible(_families(), project)), content_type=CONTENT_TYPE_LATEST)


def _reader(request: HttpRequest) -> str | None:
    """The project whose key reads; None for this machine, which sees all. Raises `Forbidden`, `AuthenticationFailed`, `Throttled`."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    secret = secret_in(request.headers.get("Authorization", ""), request.headers.get("X-API-Key"))
    if secret is None:
        if _is_local(address) and "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers:
            return None
        raise Forbidden("Read /metrics from this machine, or with a key that has the scope manage.")
    key: ApiKey | None = key_of(secret, address)
    if key is None:
        raise refused_key(address)
    if (refusal := missing_scope(key, (Scope.MANAGE,))) is not None:
        raise refusal
    return key.project.slug


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _families() -> Iterable[Metric]:
    folder = os.environ.get(VARIABLE)
    if not folder:
        return REGISTRY.collect()
    for file in Path(folder).glob("gauge_live*.db"):
        found = _LIVE_FILE.fullmatch(file.name)
        if found and not is_alive(int(found[1])):
            mark_process_dead(int(found[1]), folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return registry.collect()


class _Visible(CollectorRegistry):
    """The families, without what belongs to other projects than `project`; None: all."""

    def __init__(self, families: Iterable[Metric], project: str | None) -> None:
        super().__init__()
        self._shown = families
        self._project = project

    def collect(self) -> Iterator[Metric]:
        for family in self._shown:
            if self._project is not None:
                family.samples = [
                    sample for sample in family.samples if sample.labels.get(PROJECT, self._project) == self._project
                ]
            yield family
