"""What the console calls each architecture, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """`words` say what it is, `choose` when to choose it. `is_recommended`: where to begin."""

    title: str
    words: str
    choose: str
    is_retrieval: bool
    is_recommended: bool = False


@dataclass(frozen=True)
class Purpose:
    """What a model is for; `kinds` from the simplest to the richest."""

    key: str
    title: str
    words: str
    recommended: str
    kinds: list[str]


_RETRIEVAL = {
    "two_tower": (
        "Two towers",
        "A vector for each user and each item, from all their slots.",
        "Begin here: uses every property, and knows new items by theirs.",
    ),
    "matrix_factorisation": (
        "Matrix factorisation",
        "A vector for each user and item id, and a bias for each item.",
        "When there are ids and little else; the floor that others must beat.",
    ),
    "sasrec": (
        "SASRec",
        "Reads the user's history as a sequence.",
        "When what comes next follows from the order: sessions, series, playlists.",
    ),
}
_RANKING = {
    "logistic_regression": (
        "Logistic regression",
        "A weight for each id and number.",
        "The floor to beat, and the easiest to explain.",
    ),
    "fm": (
        "Factorization machine",
        "Every pair of slots by a dot product.",
        "When replicas must answer in the least time.",
    ),
    "deepfm": (
        "DeepFM",
        "Pairs of slots and a deep network.",
        "Begin here: sound on most data, cheap to serve.",
    ),
    "wide_deep": (
        "Wide & Deep",
        "Remembers crosses, and generalises beside them.",
        "When you know which pairs matter and can name them as crosses.",
    ),
    "dcn_v2": (
        "DCN-v2",
        "Cross layers: bounded-degree interactions of all inputs.",
        "When numbers and slots matter together, and there is much data.",
    ),
    "xdeepfm": (
        "xDeepFM",
        "Interactions vector by vector, layer by layer.",
        "When triples of slots matter; several times the cost of a DeepFM.",
    ),
    "autoint": (
        "AutoInt",
        "Slots that attend to each other.",
        "When there are many slots and nobody knows which belong together.",
    ),
    "din": (
        "DIN",
        "Weighs the history by the item in question.",
        "When tastes are several, and the history is long.",
    ),
    "dlrm": (
        "DLRM",
        "Numbers and ids in one space, all pairs.",
        "When there are many numbers beside the slots.",
    ),
    "mmoe": (
        "MMoE",
        "Several tasks over shared experts.",
        "When several actions are predicted at once, as click and purchase.",
    ),
    "ple": (
        "PLE",
        "Several tasks, with experts of their own beside shared ones.",
        "When an MMoE's tasks get into each other's way.",
    ),
}
RECOMMENDED = ("two_tower", "deepfm")

ABOUT = {
    kind: About(*words, is_retrieval=kind in _RETRIEVAL, is_recommended=kind in RECOMMENDED)
    for kind, words in (_RETRIEVAL | _RANKING).items()
}
"""By kind, in the order in which they are offered: from the simplest to the richest."""

PURPOSES = [
    Purpose(
        "retrieval",
        "Retrieval: find items",
        "From the whole catalogue, the few hundred that fit a user. The first stage of a recommendation.",
        "two_tower",
        list(_RETRIEVAL),
    ),
    Purpose(
        "ranking",
        "Ranking: order what was found",
        "How likely a user is to act on each of a few hundred items. The second stage.",
        "deepfm",
        list(_RANKING),
    ),
]
