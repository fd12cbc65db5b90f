"""How the sources that follow what everyone does find candidates, whatever the models of a deployment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from engine.spec.document import Document, Name


class CoOccurrence(Document):
    """Items that go together: how pairs are counted, and how an item's neighbours are ranked (`engine.retrieval.item_to_item`)."""

    half_life_s: float = Field(
        default=24 * 3600.0,
        ge=60,
        le=365 * 86_400,
        description="of every count, in event time: after it a pair counts half",
    )
    window_items: int = Field(
        default=10, ge=1, le=100, description="two items go together with fewer than so many others between them"
    )
    max_gap_s: float = Field(default=6 * 3600.0, ge=1, le=365 * 86_400, description="and within so much event time")
    num_neighbours: int = Field(default=50, ge=1, le=500, description="kept of each item, 24 bytes each")
    shrinkage: float = Field(
        default=5.0, ge=0, le=1e6, description="added to the counts of both items: few sightings prove little"
    )
    popularity_power: float = Field(
        default=0.5, ge=0, le=1, description="0: the most popular win; 0.5: the cosine; 1: the most particular win"
    )
    max_sources: int = Field(
        default=20, ge=1, le=200, description="the last so many items of a history are asked about"
    )
    source_decay: float = Field(
        default=0.8, gt=0, le=1, description="what each item of the history weighs beside the one after it"
    )


EventTypes = Annotated[list[Name], Field(min_length=1, max_length=20)]


class Unfinished(Document):
    """Items that a user started and did not finish: begun films, half read articles, full baskets."""

    started: EventTypes = Field(description="an event of one of these types starts an item, or starts it anew")
    finished: EventTypes = Field(description="an event of one of these types at the same time or later finishes it")
    window_s: float = Field(
        default=14 * 86_400.0, ge=60, le=365 * 86_400, description="an item started longer ago is not brought back"
    )

    @model_validator(mode="after")
    def _one_thing_or_the_other(self) -> Unfinished:
        both = sorted(set(self.started) & set(self.finished))
        if both:
            raise ValueError(f"started and finished must not share event types, received {', '.join(both)}")
        return self

    @property
    def event_types(self) -> list[str]:
        """All that it looks at."""
        return [*self.started, *self.finished]


class Candidates(Document):
    """Of a project: its replicas keep one set of sources for all deployments."""

    item_to_item: CoOccurrence = Field(default_factory=CoOccurrence)
    unfinished: Unfinished | None = Field(
        default=None, description="what the source `unfinished` brings back; without it, nothing"
    )
