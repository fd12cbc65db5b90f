"""Who is held out is answered without personalisation: by what is trending and new, the same for everybody."""

from __future__ import annotations

from typing import Any, Final

from webapp.accounts.models import Project
from webapp.serving.deployment_services import deployment_put
from webapp.serving.models import Deployment

HOLDOUT: Final = "holdout"
DOCUMENT: Final[dict[str, Any]] = {
    "retrieval": {
        "sources": [
            {"kind": "trending_24h", "quota": 200},
            {"kind": "trending_1h", "quota": 100},
            {"kind": "latest", "quota": 100},
            {"kind": "random", "quota": 50},
        ]
    },
    # What somebody acted on is something known of them too.
    "seen": {"policy": "keep"},
}


def holdout_deployment(*, project: Project) -> Deployment:
    """The deployment called `holdout`, made where there is none; it may be changed like any other."""
    existing = Deployment.objects.filter(project=project, name=HOLDOUT).first()
    if existing is not None:
        Deployment.objects.filter(pk=existing.pk).update(is_active=True)
        return existing
    return deployment_put(
        project=project,
        name=HOLDOUT,
        retrieval=None,
        ranking=None,
        document=DOCUMENT,
        note="made for an experiment's hold-out",
    )
