"""Topic names. A project's topics start with its slug; a model version has its own `params`."""

from __future__ import annotations


def events(project: str) -> str:
    """Validated events, keyed by user id (`engine.spec.event.Event`)."""
    return f"{project}.events"


def events_dead(project: str) -> str:
    """Events that arrived at the log itself and broke a rule, with their reason."""
    return f"{project}.events.dead"


def catalog(project: str) -> str:
    """User and item writes and deletes, keyed by kind and id (`engine.spec.event.CatalogChange`)."""
    return f"{project}.catalog"


def examples(project: str) -> str:
    """Joined examples, keyed by user id (`engine.spec.example.Example`)."""
    return f"{project}.examples"


def joiner_steps(project: str) -> str:
    """What the joiner did, step by step, since its oldest checkpoint; a single partition (`engine.joining.steps`)."""
    return f"{project}.joiner"


def params(project: str, model: str, version: int) -> str:
    """Numbered deltas of one model version; a single partition, whose order is the order of application."""
    return f"{project}.params.{model}.v{version}"


def trainer_steps(project: str, model: str, version: int) -> str:
    """Which examples each step of an online trainer learned together; a single partition (`engine.training.step_journal`)."""
    return f"{project}.steps.{model}.v{version}"


def is_partitioned(topic: str) -> bool:
    """Whether a log that was told to make several partitions makes them for this topic: one that is keyed by user and long."""
    return topic.endswith((".events", ".examples"))


def is_catalog(topic: str) -> bool:
    """Whether the newest record of a key says everything that is to be known of it."""
    return topic.endswith(".catalog")


def is_of_retention(topic: str) -> bool:
    """Whether what is old in it may be deleted because it is old; the others are trimmed by what is still needed."""
    return is_partitioned(topic)
