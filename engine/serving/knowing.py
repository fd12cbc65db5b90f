"""Looking into a replica's state for one user or one item."""

from __future__ import annotations

from collections.abc import Sequence

from engine.retrieval.asker import Asker
from engine.serving.known import Deed, ItemKnown, Kind, Known, UserKnown
from engine.serving.project_state import ProjectState
from engine.serving.stages import RankingStage, RetrievalStage

Stages = Sequence[RetrievalStage | RankingStage]


def known_of(state: ProjectState, stages: Stages, kind: Kind, entity_id: str) -> Known:
    """What is held now."""
    return user_known(state, entity_id) if kind == "user" else item_known(state, stages, entity_id)


def user_known(state: ProjectState, user_id: str) -> UserKnown:
    records = (store.record_of(user_id) for store in (state.users.actions, state.users.watched))
    history, watched = (
        tuple(map(Deed, record.item_ids[::-1], record.event_types[::-1], record.times_ms[::-1])) for record in records
    )
    return UserKnown(state.catalogue.has_user(user_id), history, watched)


def item_known(state: ProjectState, stages: Stages, item_id: str) -> ItemKnown:
    catalogue = state.catalogue
    rows = catalogue.rows_of([item_id])
    if rows[0] < 0:
        return ItemKnown(is_in_catalogue=False, is_servable=False)
    counters = {
        name: value
        for name, value in state.counters.read(
            Asker("", {}, {}, ()), [item_id], catalogue.item_properties([item_id])
        ).items()
        if state.counters.is_of_items(name)
    }
    return ItemKnown(
        is_in_catalogue=True,
        is_servable=catalogue.serves(item_id),
        num_shown=int(state.impressions(rows)[0]),
        counters={name: float(value[0]) for name, value in counters.items()},
        has_vector={
            stage.model.title: bool(stage.vectors_of(rows).any())
            for stage in stages
            if isinstance(stage, RetrievalStage)
        },
    )
