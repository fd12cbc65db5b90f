"""What `/recommend`, `/rank` and `/similar` answer, for the reference."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class RecommendedItem(BaseModel):
    item_id: str
    score: float = Field(description="what the item was ordered by at the end")
    source: str = Field(
        description="what brought the item: the retrieval model's architecture (two_tower, …), item_to_item, trending_1h, "
        "trending_24h, latest, unfinished, catalogue, random, given, similar or lately_answered"
    )
    properties: dict[str, Any] | None = Field(default=None, description="those asked for with `fields`; else absent")
    promotion: str | None = Field(default=None, description="the promotion that placed it; absent when none did")
    propensity: float | None = Field(
        default=None, description="the chance of being shown in this place, with `explain`; else absent"
    )


class AnsweringModel(BaseModel):
    role: Literal["retrieval", "ranking"]
    name: str
    version: int
    sequence: int = Field(description="of the newest delta in these parameters")
    age_s: float = Field(description="since that delta was published")
    events_through: dict[str, int] = Field(description="partition -> the next event offset not yet trained on")
    event_time: str | None


class ChosenExperiment(BaseModel):
    name: str
    arm: str | None = Field(description="null for a user whose arm was stopped")


class _Answer(BaseModel):
    recommendation_id: str = Field(description="send it back with the events that follow")
    items: list[RecommendedItem]
    deployment: str
    revision: int = Field(description="of the deployment's document and models")
    models: list[AnsweringModel]
    degraded: str | None = Field(
        description="why the answer is less than it should be: stable words, joined by a comma and a space (docs/recommend.md)"
    )
    replica: str
    took_ms: float = Field(description="of the replica")
    experiment: ChosenExperiment | None = Field(default=None, description="with `return_experiment`; else absent")
    explanation: dict[str, Any] | None = Field(
        default=None, description="with `explain`; else absent (docs/explain.md)"
    )


class RecommendAnswer(_Answer):
    """Or, with `validate_only`, `ValidatedRequest`."""

    next: str | None = Field(description="send it back for items not shown yet; null when there are none")


class RankAnswer(_Answer):
    unknown: list[str] = Field(description="candidates that are not in the catalogue")


class ValidatedRequest(BaseModel):
    """What `validate_only` answers when nothing is wrong; what is wrong is answered as without it."""

    is_valid: Literal[True]
    deployment: str
    revision: int
    timeout_ms: int
    context: dict[str, Any] = Field(description="as the schema stores it")
    num_replicas: int = Field(description="alive, as far as is known")
    experiment: ChosenExperiment | None = Field(default=None, description="with `return_experiment`; else absent")
