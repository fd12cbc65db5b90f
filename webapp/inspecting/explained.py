"""An explained answer laid out for a page: the funnel, what was dropped and why, and what each score is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.serving.requests import ModelPosition, RecommendReply
from webapp.serving.preview_comparing import explanation_of
from webapp.serving.reason_words import SCORES, STAGES, dropped_words, rule_words

CONTRIBUTIONS_SHOWN: Final = 12
HALF: Final = 50.0
"""Bars of contributions go to both sides of the middle of a picture that is 100 wide."""


@dataclass(frozen=True)
class Step:
    """One stage of the funnel. `width` is per cent of the widest."""

    label: str
    num: int
    about: str
    width: float
    took_ms: float | None = None


@dataclass(frozen=True)
class Dropped:
    """Items that one reason took away; `item_ids` are those that are named, at most 200 of all reasons together."""

    stage: str
    why: str
    num: int
    item_ids: Sequence[str]

    @property
    def num_unnamed(self) -> int:
        return self.num - len(self.item_ids)


@dataclass(frozen=True)
class Contribution:
    """`x` and `width` are of the picture; `value` is the score less the score without this input."""

    name: str
    value: float
    x: float
    width: float
    side: str


@dataclass(frozen=True)
class Rank:
    """Where the item stood among all candidates by one stage's scores."""

    words: str
    rank: int
    score: float | None


@dataclass(frozen=True)
class ExplainedItem:
    place: int
    item_id: str
    score: float
    source: str
    sources: Sequence[Mapping[str, Any]]
    tasks: Mapping[str, float]
    propensity: float
    promotion: str | None
    rules: Sequence[str]
    ranks: Sequence[Rank]
    contributions: Sequence[Contribution]
    num_more: int


@dataclass(frozen=True)
class Explained:
    """`details` say in a sentence what each word of `degraded` is about."""

    reply: RecommendReply
    models: Sequence[ModelPosition]
    steps: Sequence[Step]
    sources: Sequence[Step]
    dropped: Sequence[Dropped]
    items: Sequence[ExplainedItem]
    details: Sequence[str]
    timings: Sequence[tuple[str, float]]

    @property
    def num_dropped(self) -> int:
        return sum(one.num for one in self.dropped)


def explained_of(reply: RecommendReply) -> Explained:
    """The reply of a request that asked for an explanation."""
    said = explanation_of(reply)
    by_id = {one["item_id"]: one for one in said.get("items", ())}
    return Explained(
        reply=reply,
        models=reply.models,
        steps=_steps(said, len(reply.items)),
        sources=_sources(said),
        dropped=_dropped(said),
        items=[
            _item(place, reply.items[place - 1], by_id.get(reply.items[place - 1].item_id, {}))
            for place in range(1, len(reply.items) + 1)
        ],
        details=said.get("details", ()),
        timings=[(one["stage"], one["took_ms"]) for one in said.get("stages", ())],
    )


def _steps(said: Mapping[str, Any], num_answered: int) -> list[Step]:
    took = {one["stage"]: one["took_ms"] for one in said.get("stages", ())}
    counted = [
        ("Found", said.get("num_found", 0), "by all sources together", took.get("retrieval")),
        ("Merged", said.get("num_merged", 0), "each once, within the document's most", None),
        ("Ranked", said.get("num_ranked", 0), "scored by the ranking model", took.get("ranking")),
        ("Candidates", said.get("num_candidates", 0), "that the rules chose from", took.get("reranking")),
        ("Answered", num_answered, "in the answer", None),
    ]
    most = max(num for _, num, _, _ in counted) or 1
    return [Step(label, num, about, round(100 * num / most, 1), took_ms) for label, num, about, took_ms in counted]


def _sources(said: Mapping[str, Any]) -> list[Step]:
    asked = said.get("sources", ())
    most = max((one["quota"] for one in asked), default=1)
    return [
        Step(
            one["name"],
            one["num_found"],
            f"of a quota of {one['quota']}",
            round(100 * one["num_found"] / most, 1),
            one["took_ms"],
        )
        for one in asked
    ]


def _dropped(said: Mapping[str, Any]) -> list[Dropped]:
    """Those of most items first; what only scored lower last, because it is no rule's doing."""
    named: dict[tuple[str, str], list[str]] = {}
    for one in said.get("dropped", ()):
        named.setdefault((one["stage"], one["why"]), []).append(one["item_id"])
    counts = sorted(said.get("num_dropped", ()), key=lambda one: (one["why"] == "others_scored_higher", -one["num"]))
    return [
        Dropped(
            STAGES.get(one["stage"], one["stage"]),
            dropped_words(one["stage"], one["why"]),
            one["num"],
            named.get((one["stage"], one["why"]), []),
        )
        for one in counts
    ]


def _item(place: int, answered: Any, said: Mapping[str, Any]) -> ExplainedItem:
    contributions = sorted(said.get("contributions", {}).items(), key=lambda one: -abs(one[1]))
    scores = said.get("scores", {})
    return ExplainedItem(
        place=place,
        item_id=answered.item_id,
        score=answered.score,
        source=answered.source,
        sources=said.get("sources", ()),
        tasks=said.get("tasks", {}),
        propensity=answered.propensity,
        promotion=answered.promotion,
        rules=[rule_words(one["stage"], one["why"]) for one in said.get("rules", ())],
        ranks=[
            Rank(SCORES.get(stage, stage), rank, scores.get(stage)) for stage, rank in said.get("ranks", {}).items()
        ],
        contributions=_bars(contributions[:CONTRIBUTIONS_SHOWN]),
        num_more=max(0, len(contributions) - CONTRIBUTIONS_SHOWN),
    )


def _bars(contributions: Sequence[tuple[str, float]]) -> list[Contribution]:
    most = max((abs(value) for _, value in contributions), default=0.0) or 1.0
    drawn = []
    for name, value in contributions:
        width = round(HALF * abs(value) / most, 2)
        x = HALF if value >= 0 else round(HALF - width, 2)
        drawn.append(Contribution(name, value, x, width, "more" if value >= 0 else "less"))
    return drawn
