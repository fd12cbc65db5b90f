"""`manage.py copy_log --to kafka://host:9092`: move every project's topics to another log, offsets and all."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engine.errors import InvalidDocument, LogError, UnknownTopic
from engine.spec.dead_letter import INBOX_GROUP
from engine.streams import groups, open_log, topics
from engine.streams.copying import copy_topic
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion


class Command(BaseCommand):
    help = (
        "Copy every project's topics from the log in use to another one, keeping each record's offset, so that joiners, trainers and "
        "replicas go on where they were. Stop Freshet first (but for PostgreSQL), and start it with the other log afterwards. "
        "A copy that was broken off goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", required=True, help="the other log: kafka://host:port,host:port or postgresql://..."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            target = open_log(options["to"])
        except (LogError, InvalidDocument) as error:
            raise CommandError(error.message) from None
        try:
            for topic, readers in _topics():
                self._copy(target, topic, readers)
        except LogError as error:
            raise CommandError(error.message) from None
        finally:
            target.close()

    def _copy(self, target: EventLog, topic: str, readers: list[str]) -> None:
        try:
            num_copied = copy_topic(event_log(), target, topic, groups=readers)
        except UnknownTopic:
            return  # nothing was ever written there
        self.stdout.write(f"{topic}: {num_copied:,} records")


def _topics() -> Iterator[tuple[str, list[str]]]:
    """Each topic there may be, with the groups that commit its offsets."""
    for project in Project.objects.order_by("id"):
        versions = ModelVersion.objects.filter(model__project=project).select_related("model").order_by("id")
        trainers = [groups.trainer(version.model.name, version.version) for version in versions]
        yield topics.events(project.slug), [groups.JOINER]
        yield topics.events_dead(project.slug), [INBOX_GROUP]
        yield topics.catalog(project.slug), []
        yield topics.examples(project.slug), trainers
        yield topics.joiner_steps(project.slug), []
        for version in versions:
            named = project.slug, version.model.name, version.version
            yield topics.params(*named), []
            yield topics.trainer_steps(*named), []
