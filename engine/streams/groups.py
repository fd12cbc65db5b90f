"""Names of consumer groups: who commits which offsets, so that lag can be seen. In Kafka they have KAFKA_GROUP_PREFIX before them."""

from __future__ import annotations

JOINER = "joiner"
"""Commits `events` when its checkpoint is written."""


def trainer(model: str, version: int) -> str:
    """Commits `examples` when its checkpoint is written; one group for each model version that trains online."""
    return f"trainer.{model}.v{version}"
