"""What the page calls the kinds and choices that documents name by a word."""

from __future__ import annotations

KIND_TITLES = {
    # optimizers
    "sgd": "SGD",
    "momentum": "Momentum",
    "adagrad": "Adagrad",
    "adam": "Adam",
    "adamw": "AdamW",
    "amsgrad": "AMSGrad",
    "adadelta": "AdaDelta",
    "rmsprop": "RMSprop",
    "ftrl": "FTRL-proximal",
    "group_ftrl": "FTRL, group lasso",
    # losses and precisions
    "bce": "cross-entropy",
    "bpr": "BPR",
    "huber": "Huber",
    "mse": "mean square",
    "bfloat16_mixed": "bfloat16, mixed",
    # activations
    "relu": "ReLU",
    "prelu": "PReLU",
    "dice": "Dice",
    # scores
    "first_task": "the first task",
    # diversity and exploration
    "mmr": "MMR",
    "dpp": "determinantal",
    "epsilon": "epsilon-greedy",
    "thompson": "Thompson sampling",
    "ucb": "UCB",
    # learning rates
    "polynomial": "polynomial decay",
    "cosine": "cosine decay",
    # initializers
    "truncated_normal": "truncated normal",
    # admission
    "always": "1st sighting",
    "min_count": "nth sighting",
    "probability": "by chance",
    # eviction
    "least_recent": "unseen for longest",
    "least_often": "seen least often",
}


def title_of(kind: str) -> str:
    """The title; a word that needs none is its own."""
    return KIND_TITLES.get(kind, kind)
