"""The sources of a project by the names that a deployment's document calls them."""

from __future__ import annotations

from engine.retrieval.catalogue_sources import Everything, RandomItems
from engine.retrieval.source import RowSource
from engine.serving.project_state import ProjectState
from engine.spec.deployment import SourceKind


class ProjectSources:
    """Every source but the nearest, which belongs to a model. `everything` is the catalogue from its newest item on."""

    def __init__(self, state: ProjectState) -> None:
        catalogue, live = state.catalogue, state.live
        self.catalogue = catalogue
        self.everything: RowSource = Everything(live.latest)
        self._by_kind: dict[SourceKind, RowSource] = {
            SourceKind.ITEM_TO_ITEM: live.item_to_item,
            SourceKind.TRENDING_1H: live.trending_1h,
            SourceKind.TRENDING_24H: live.trending_24h,
            SourceKind.LATEST: live.latest,
            SourceKind.UNFINISHED: state.users.unfinished,
            SourceKind.RANDOM: RandomItems(catalogue),
        }

    def of(self, kind: SourceKind) -> RowSource | None:
        """None for the nearest."""
        return self._by_kind.get(kind)
