"""What the console calls each architecture, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    title: str
    words: str
    is_retrieval: bool


_RETRIEVAL = {
    "two_tower": ("Two towers", "A vector for each user and each item, from all their slots."),
    "matrix_factorisation": ("Matrix factorisation", "A vector for each user and item id: the floor of retrieval."),
    "sasrec": ("SASRec", "Reads the user's history as a sequence."),
}
_RANKING = {
    "logistic_regression": ("Logistic regression", "A weight for each id and number: the floor to beat."),
    "fm": ("Factorization machine", "Every pair of slots by a dot product; the cheapest interactions."),
    "deepfm": ("DeepFM", "Pairs of slots and a deep network: a sound first choice."),
    "wide_deep": ("Wide & Deep", "Remembers crosses, and generalises beside them."),
    "dcn_v2": ("DCN-v2", "Cross layers: bounded-degree interactions of all inputs."),
    "xdeepfm": ("xDeepFM", "Interactions vector by vector, layer by layer."),
    "autoint": ("AutoInt", "Slots that attend to each other."),
    "din": ("DIN", "Weighs the history by the item in question."),
    "dlrm": ("DLRM", "Numbers and ids in one space, all pairs."),
    "mmoe": ("MMoE", "Several tasks over shared experts."),
    "ple": ("PLE", "Several tasks that disturb each other."),
}

ABOUT = {kind: About(*words, is_retrieval=kind in _RETRIEVAL) for kind, words in (_RETRIEVAL | _RANKING).items()}
"""By kind, in the order in which they are offered: from the simplest to the richest."""
