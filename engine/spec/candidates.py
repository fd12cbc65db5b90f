"""How the sources that follow what everyone does find candidates, whatever the models of a deployment."""

from __future__ import annotations

from pydantic import Field

from engine.spec.document import Document


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


class Candidates(Document):
    """Of a project: its replicas keep one set of sources for all deployments."""

    item_to_item: CoOccurrence = Field(default_factory=CoOccurrence)
