"""Why an item is not in an answer, and what each stage does, in words for a page. The reasons are those of docs/explain.md."""

from __future__ import annotations

from typing import Final

STAGES: Final = {
    "retrieval": "Retrieval",
    "ranking": "Ranking",
    "caps": "Caps",
    "reranking": "Reranking",
}

SCORES: Final = {
    "retrieval": "by retrieval",
    "model": "by the ranking model",
    "score": "by the document's score",
    "seen": "after seen items",
    "boosts": "after boosts",
    "exploration": "after exploration",
}

_DROPPED: Final = {
    "not_servable": "hidden or deleted",
    "excluded": "excluded by the request",
    "shown_before": "shown on an earlier page",
    "seen": "the user acted on it before",
    "filter": "the deployment's filter does not hold",
    "request_filter": "the request's filter does not hold",
    "asked_of": "it is what was asked of",
    "others_scored_higher": "others scored higher",
}


def dropped_words(stage: str, why: str) -> str:
    """One reason, as the end of a sentence about the item."""
    if stage == "caps":
        return f"a cap: {why}"
    return _DROPPED.get(why, why)


def rule_words(stage: str, why: str) -> str:
    """What reranking did to an item that is in the answer."""
    return why if stage in ("boosts", "seen", "promotions") else f"{stage}: {why}"
