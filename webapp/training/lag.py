"""What waits in the log: how far the joiner and each online trainer are behind the end of what they read."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import LogError, UnknownTopic
from engine.streams import groups, topics
from engine.streams.lag import PartitionLag, lag_of
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.training.models import Run


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    """One reader of one topic; `group` is what Kafka's tools call it (after KAFKA_GROUP_PREFIX)."""

    reader: str
    topic: str
    group: str
    partitions: list[PartitionLag]

    @property
    def num_waiting(self) -> int:
        return sum(row.num_waiting for row in self.partitions)


def project_lag(*, project: Project) -> list[ConsumerLag] | None:
    """The joiner first, then each model version that somebody wants trained online; None when the log does not answer."""
    try:
        found = [_consumer("joiner", topics.events(project.slug), groups.JOINER)]
        for version in _trained_online(project):
            group = groups.trainer(version.model.name, version.version)
            found.append(_consumer(f"trainer of {version}", topics.examples(project.slug), group))
    except LogError:
        return None
    return found


def _consumer(reader: str, topic: str, group: str) -> ConsumerLag:
    try:
        return ConsumerLag(reader, topic, group, lag_of(event_log(), topic, group))
    except UnknownTopic:  # nothing was ever written there
        return ConsumerLag(reader, topic, group, [])


def _trained_online(project: Project) -> list[ModelVersion]:
    runs = Run.objects.filter(project=project, mode=Run.Mode.ONLINE, wanted=True)
    versions = ModelVersion.objects.filter(runs__in=runs).distinct()
    return list(versions.select_related("model").order_by("model__name", "version"))
