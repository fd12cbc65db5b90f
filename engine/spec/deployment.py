"""The deployment document: which candidates are gathered, what orders them, and the rules that the answer keeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from engine.spec.document import Document, Name, default_kind
from engine.spec.score import Exponent, Factor

MAX_EXPRESSION_CHARACTERS = 4_000
MAX_CANDIDATES_RANKED = 2_000
MAX_RULES = 50

Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION_CHARACTERS)]
"""An expression over item, user and request (docs/filters.md), such as `item.price < 100 and item.topic in $topics`."""

ItemId = Annotated[str, Field(min_length=1, max_length=256)]


class SourceKind(StrEnum):
    """What brings candidates. `nearest` needs a retrieval model; `trending_1h` and `trending_24h` are windows of what everyone acts on."""

    NEAREST = "nearest"
    ITEM_TO_ITEM = "item_to_item"
    TRENDING_1H = "trending_1h"
    TRENDING_24H = "trending_24h"
    LATEST = "latest"
    UNFINISHED = "unfinished"
    RANDOM = "random"


class Source(Document):
    kind: SourceKind
    quota: int = Field(ge=1, le=MAX_CANDIDATES_RANKED, description="how many of its best it may bring")


class Retrieval(Document):
    """Sources are asked at the same time; what several bring counts once, under the first of them that does."""

    sources: list[Source] = Field(
        default_factory=lambda: [
            Source(kind=SourceKind.NEAREST, quota=200),
            Source(kind=SourceKind.ITEM_TO_ITEM, quota=60),
            Source(kind=SourceKind.TRENDING_1H, quota=40),
            Source(kind=SourceKind.TRENDING_24H, quota=20),
            Source(kind=SourceKind.LATEST, quota=20),
        ],
        min_length=1,
        max_length=len(SourceKind),
    )
    max_candidates: int = Field(
        default=500, ge=1, le=MAX_CANDIDATES_RANKED, description="of all sources together, given to ranking"
    )

    @field_validator("sources", mode="after")
    @classmethod
    def _each_once(cls, sources: list[Source]) -> list[Source]:
        kinds = [source.kind for source in sources]
        if len(set(kinds)) < len(kinds):
            raise ValueError("must name each source once")
        return sources


class ModelScore(Document):
    """As the ranking model's definition says."""

    kind: Literal["model"] = "model"


class TaskProduct(Document):
    """Π prediction ^ weight over the ranking model's tasks named."""

    kind: Literal["product"] = "product"
    weights: dict[Name, Exponent] = Field(min_length=1, max_length=8)


class TaskSum(Document):
    """Σ weight · prediction over the ranking model's tasks named."""

    kind: Literal["sum"] = "sum"
    weights: dict[Name, Factor] = Field(min_length=1, max_length=8)


ScoreFormula = Annotated[
    ModelScore | TaskProduct | TaskSum, Field(discriminator="kind"), BeforeValidator(default_kind("model"))
]


class Calibration(Document):
    """Platt's: a task's prediction p becomes 1 / (1 + exp(-(slope · logit(p) + intercept))) before the formula."""

    slope: float = Field(default=1.0, gt=0, le=100)
    intercept: float = Field(default=0.0, ge=-50, le=50)


class SeenPolicy(StrEnum):
    """What becomes of items that the user acted on: gone, kept, or their score multiplied by `demote_to`."""

    DROP = "drop"
    KEEP = "keep"
    DEMOTE = "demote"


class Seen(Document):
    policy: SeenPolicy = SeenPolicy.DROP
    event_types: list[Name] | None = Field(
        default=None,
        max_length=50,
        description="which actions make an item seen; null: all; impression types count when named",
    )
    window_s: float | None = Field(default=None, gt=0, description="for how long; null: as long as the history reaches")
    demote_to: float = Field(default=0.5, ge=0, lt=1)


class Boost(Document):
    """Items for which `when` holds: score · `multiply` + `add`. A negative score is divided instead, so that more is better."""

    when: Expression
    multiply: float = Field(default=1.0, gt=0, le=1000)
    add: float = Field(default=0.0, ge=-1000, le=1000)


class Promotion(Document):
    """Put the best items of `items` or for which `when` holds into these places (from 1) of the answer, whatever their score."""

    name: Name
    items: list[ItemId] = Field(default_factory=list, max_length=500)
    when: Expression | None = None
    slots: list[Annotated[int, Field(ge=1, le=500)]] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Promotion:
        if bool(self.items) == (self.when is not None):
            raise ValueError("must have either items or when")
        if len(set(self.slots)) < len(self.slots):
            raise ValueError("slots must name each place once")
        return self


class Cap(Document):
    """At most `max_items` items of the answer share a value of an item property."""

    property: Name
    max_items: int = Field(ge=1, le=500)


class NoDiversity(Document):
    kind: Literal["none"] = "none"


class MaximalMarginalRelevance(Document):
    """Greedy: the next item is the one of greatest (1 - strength) · relevance - strength · likeness to the nearest chosen (Carbonell and
    Goldstein, SIGIR 1998). `by`: `embedding` (cosine of the retrieval model's vectors) or an item property (alike when equal, lists by
    Jaccard). Relevance is the score's rank-preserving scale to 0..1 over those considered."""

    kind: Literal["mmr"] = "mmr"
    by: str = Field(default="embedding", min_length=1, max_length=63)
    strength: float = Field(default=0.3, ge=0, le=1)
    among: int = Field(default=100, ge=2, le=500, description="the best so many are considered")


class DeterminantalPointProcess(Document):
    """Greedy maximum a posteriori of a determinantal point process with kernel diag(q) S diag(q), q = exp(relevance · (1 - strength) /
    (2 · strength)), S the likeness as in `mmr` (Chen, Zhang and Zhou, NeurIPS 2018)."""

    kind: Literal["dpp"] = "dpp"
    by: str = Field(default="embedding", min_length=1, max_length=63)
    strength: float = Field(default=0.3, gt=0, lt=1)
    among: int = Field(default=100, ge=2, le=500)


Diversity = Annotated[
    NoDiversity | MaximalMarginalRelevance | DeterminantalPointProcess,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("none")),
]


class NoExploration(Document):
    kind: Literal["none"] = "none"


class EpsilonGreedy(Document):
    """Each place of the answer is, with chance `epsilon`, a uniform draw from the `among` best left, else the best left."""

    kind: Literal["epsilon"] = "epsilon"
    epsilon: float = Field(default=0.05, gt=0, le=1)
    among: int = Field(default=100, ge=2, le=500)


class ThompsonSampling(Document):
    """Scores are drawn anew at each request: score · (1 + `scale` · n), n standard normal, smaller for items shown often
    (by 1/sqrt(1 + impressions / `prior_impressions`))."""

    kind: Literal["thompson"] = "thompson"
    scale: float = Field(default=0.3, gt=0, le=10)
    prior_impressions: float = Field(default=100.0, gt=0)
    among: int = Field(default=100, ge=2, le=500)


class UpperConfidence(Document):
    """score · (1 + `scale` · sqrt(ln(1 + all impressions) / (1 + the item's impressions))); deterministic, so propensity is 1."""

    kind: Literal["ucb"] = "ucb"
    scale: float = Field(default=0.1, gt=0, le=10)
    among: int = Field(default=100, ge=2, le=500)


Exploration = Annotated[
    NoExploration | EpsilonGreedy | ThompsonSampling | UpperConfidence,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("none")),
]


class ImpressionLogging(StrEnum):
    """`durable`: logged before the answer; `behind`: just after it (a process killed at that moment loses it); `confirmed`: the client
    sends what was shown as events, with the recommendation's id, and features are kept for it."""

    DURABLE = "durable"
    BEHIND = "behind"
    CONFIRMED = "confirmed"


class Impressions(Document):
    logging: ImpressionLogging = ImpressionLogging.DURABLE


class DeploymentDocument(Document):
    """What a deployment does with a request, whichever model versions it answers with. Every part has a default."""

    retrieval: Retrieval = Field(default_factory=Retrieval)
    score: ScoreFormula = Field(default_factory=ModelScore)
    calibration: dict[Name, Calibration] = Field(
        default_factory=dict, max_length=8, description="by task of the ranking model; others are taken as they are"
    )
    filter: Expression | None = Field(default=None, description="only items for which it holds are answered")
    seen: Seen = Field(default_factory=Seen)
    boosts: list[Boost] = Field(default_factory=list, max_length=MAX_RULES)
    promotions: list[Promotion] = Field(default_factory=list, max_length=MAX_RULES)
    caps: list[Cap] = Field(default_factory=list, max_length=10)
    diversity: Diversity = Field(default_factory=NoDiversity)
    exploration: Exploration = Field(default_factory=NoExploration)
    parameters: dict[Name, str | float | bool | list[str] | list[float] | None] = Field(
        default_factory=dict,
        max_length=50,
        description="what `$name` in an expression is unless the request says otherwise",
    )
    impressions: Impressions = Field(default_factory=Impressions)
    timeout_ms: int = Field(
        default=500, ge=5, le=30_000, description="after it a fallback answers, unless the request says otherwise"
    )
