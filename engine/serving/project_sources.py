"""The sources of a project by the names that a deployment's document calls them."""

from __future__ import annotations

from engine.retrieval.catalogue_sources import NewestItems, RandomItems
from engine.retrieval.source import RowSource
from engine.serving.by_row import ByRow
from engine.serving.project_state import ProjectState
from engine.spec.deployment import SourceKind


class ProjectSources:
    """Every source but the nearest, which belongs to a model. `everything` is the catalogue from its newest item on."""

    def __init__(self, state: ProjectState) -> None:
        catalogue, live = state.catalogue, state.live
        self.catalogue = catalogue
        self.everything: RowSource = ByRow(NewestItems(catalogue, "catalogue"), catalogue)
        self._by_kind: dict[SourceKind, RowSource] = {
            SourceKind.ITEM_TO_ITEM: ByRow(live.item_to_item, catalogue),
            SourceKind.TRENDING_1H: ByRow(live.trending_1h, catalogue),
            SourceKind.TRENDING_24H: ByRow(live.trending_24h, catalogue),
            SourceKind.LATEST: ByRow(NewestItems(catalogue), catalogue),
            SourceKind.RANDOM: ByRow(RandomItems(catalogue), catalogue),
        }

    def of(self, kind: SourceKind) -> RowSource | None:
        """None for the nearest."""
        return self._by_kind.get(kind)
