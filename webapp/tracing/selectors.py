"""When a stage reached a place, as far back as that is kept, and the pace that was asked for."""

from __future__ import annotations

from webapp.registry.models import ModelVersion
from webapp.tracing.models import SyncPace


def pace_of(*, model_version: ModelVersion) -> float | None:
    """How often people want the version published, in seconds; None: as its definition says."""
    return SyncPace.objects.filter(model_version=model_version).values_list("interval_s", flat=True).first()
