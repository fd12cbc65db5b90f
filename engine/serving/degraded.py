"""Why an answer is less than it should be, in words that stay: a reply's `degraded` is these, joined by ", ".

| word | what was answered instead |
|---|---|
| no_replica | no replica answered: what this web process answered most often lately |
| deadline | time ran out before ranking: the order of retrieval |
| no_model | a model of the deployment has no parameters yet: the other one, or none |
| model_stale | a model cannot be brought up to date: its older parameters |
| catalogue_stale | catalogue and histories cannot be brought up to date: as they were read last |
| empty_user | the retrieval model knows nothing of this user or session: the other sources |
| empty_filter | the filters leave nothing: no items. Rules are not relaxed, so that a filter is a promise |
| nothing_left | every candidate is excluded, was shown before or was acted on: no items |
| unknown_item | `similar` was asked of an item that the catalogue does not have: no items |
| nothing_similar | nothing is known to be like the item: the deployment's other sources |
| unknown_candidates | none of the candidates given is in the catalogue: no items (single ones that are not are told in `unknown`) |
| empty_catalogue | there is no item: no items |
| retrieval_failed | the retrieval model failed: the other sources |
| ranking_failed | the ranking model failed: the order of retrieval |
| impression_not_logged | the answer is whole, but nothing will be learned from it |
"""

from __future__ import annotations

from enum import StrEnum


class Degraded(StrEnum):
    NO_REPLICA = "no_replica"
    DEADLINE = "deadline"
    NO_MODEL = "no_model"
    MODEL_STALE = "model_stale"
    CATALOGUE_STALE = "catalogue_stale"
    EMPTY_USER = "empty_user"
    EMPTY_FILTER = "empty_filter"
    NOTHING_LEFT = "nothing_left"
    UNKNOWN_ITEM = "unknown_item"
    NOTHING_SIMILAR = "nothing_similar"
    UNKNOWN_CANDIDATES = "unknown_candidates"
    EMPTY_CATALOGUE = "empty_catalogue"
    RETRIEVAL_FAILED = "retrieval_failed"
    RANKING_FAILED = "ranking_failed"
    IMPRESSION_NOT_LOGGED = "impression_not_logged"


class Reasons:
    """The words of one answer, each once, in the order they came up, and what there is to say to a person beside them."""

    def __init__(self) -> None:
        self.details: list[str] = []
        self._words: dict[Degraded, None] = {}

    def add(self, word: Degraded, detail: str) -> None:
        self._words.setdefault(word)
        self.details.append(detail)

    def __contains__(self, word: Degraded) -> bool:
        return word in self._words

    @property
    def text(self) -> str | None:
        """What a reply says; None when nothing is the matter."""
        return ", ".join(self._words) or None


def joined(degraded: str | None, word: Degraded) -> str:
    """A reply's words with one more."""
    words = degraded.split(", ") if degraded else []
    return ", ".join(words if word in words else [*words, word.value])
