"""A project's own values for examples: what it has now, else names that say what goes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.catalog.models import Item, User
from webapp.experiments.models import Experiment
from webapp.registry.models import Model
from webapp.registry.selectors import schema_current, schema_document
from webapp.serving.models import Deployment, Replica
from webapp.training.models import Run, Search


@dataclass(frozen=True, slots=True)
class Values:
    """`action` and `impression` are event types; "" where the schema declares none."""

    user_id: str
    item_ids: tuple[str, ...]
    deployment: str
    model: str
    experiment: str
    replica: str
    action: str
    impression: str
    user_properties: Mapping[str, Any]
    item_properties: Mapping[str, Any]
    schema: Mapping[str, Any]
    run_id: int
    search_id: int

    @property
    def item_id(self) -> str:
        return self.item_ids[0]


def values_of(project: Project) -> Values:
    """A handful of rows, each found by an index."""
    declared = schema_document(project=project)
    items = list(Item.objects.filter(project=project, hidden=False).order_by("external_id")[:3])
    user = User.objects.filter(project=project).order_by("external_id").first()
    deployment = Deployment.objects.filter(project=project, is_active=True).order_by("-is_default", "name").first()
    actions = [name for name, one in declared.events.items() if one.role is EventRole.ACTION]
    shown = [name for name, one in declared.events.items() if one.role is EventRole.IMPRESSION]
    return Values(
        user_id=user.external_id if user else "user-1",
        item_ids=tuple(one.external_id for one in items) or ("item-1", "item-2", "item-3"),
        deployment=deployment.name if deployment else "main",
        model=_first(Model.objects.filter(project=project).order_by("name"), "name", "ranker"),
        experiment=_first(Experiment.objects.filter(project=project).order_by("-pk"), "name", "first"),
        replica=_first(
            Replica.objects.filter(positions__deployment__project=project).order_by("name"), "name", "replica-1"
        ),
        action=actions[0] if actions else next(iter(declared.events), "click"),
        impression=shown[0] if shown else "",
        user_properties=user.properties if user else {},
        item_properties=items[0].properties if items else {},
        schema=schema_current(project=project).document,
        run_id=_first(Run.objects.filter(project=project).order_by("-pk"), "pk", 1),
        search_id=_first(Search.objects.filter(project=project).order_by("-pk"), "pk", 1),
    )


def _first(rows: Any, name: str, otherwise: Any) -> Any:
    found = rows.values_list(name, flat=True).first()
    return otherwise if found is None else found
