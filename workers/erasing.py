"""What joiner, trainers and replicas have forgotten, told to the receipts in PostgreSQL.

The engine names its last erasures again and again, after a restart too; only what was not told before is told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from django.db import DatabaseError

from engine.spec.erasure import Erased
from webapp.accounts.models import Project
from webapp.erasure.models import Place
from webapp.erasure.services import erasure_note, erasure_published
from webapp.registry.models import ModelVersion
from workers.fresh_connection import drop_broken_connection

logger = logging.getLogger(__name__)


class Telling:
    """Tells the receipts of one project what one place has forgotten. Raises what the database does; then nothing was told."""

    def __init__(self, project: Project, place: Place, name: str = "") -> None:
        self._project, self._place, self._name = project, place, name
        self._told: set[tuple[str, int]] = set()

    def tell(self, erased: Sequence[Erased]) -> list[str]:
        """Answers the tokens of what was told now."""
        new = [one for one in erased if (one.erasure.token, one.partition) not in self._told]
        if not new:
            return []
        drop_broken_connection()
        tokens = {one.erasure.token for one in new}
        # All of an order that is in several partitions, lest one part of it be told without the others.
        together = [one for one in erased if one.erasure.token in tokens]
        erasure_note(project=self._project, place=self._place, name=self._name, erased=together)
        self._told.update((one.erasure.token, one.partition) for one in new)
        return sorted(tokens)


class JoinerErasures:
    """A joiner's. Should the database be away the joiner goes back to its checkpoint, and forgets and tells again."""

    def __init__(self, project: Project) -> None:
        self._telling = Telling(project, Place.JOINER)

    def __call__(self, erased: Sequence[Erased]) -> None:
        self._telling.tell(erased)


class TrainerErasures:
    """An online trainer's, and in which deltas the deletes are: those of the next publish at the latest."""

    def __init__(self, version: ModelVersion) -> None:
        self._name, self._project = str(version), version.model.project
        self._telling = Telling(self._project, Place.TRAINER, self._name)
        self._unpublished: list[str] = []

    def __call__(self, erased: Sequence[Erased]) -> None:
        self._unpublished += self._telling.tell(erased)

    def note_published(self, sequences: Sequence[int]) -> None:
        """After each poll: what it published holds what was forgotten before."""
        if sequences and self._unpublished:
            erasure_published(project=self._project, name=self._name, tokens=self._unpublished, sequence=sequences[-1])
            self._unpublished = []


class Forgetting(Protocol):
    """What is needed of `engine.serving.replica.Replica`."""

    def erased(self) -> dict[str, list[Erased]]: ...


class ReplicaErasures:
    """A replica's, of every project that it serves. What the database does not take is told at the next turn."""

    def __init__(self, replica: Forgetting, name: str) -> None:
        self._replica, self._name = replica, name
        self._telling: dict[str, Telling] = {}

    def turn(self) -> None:
        for slug, erased in self._replica.erased().items():
            if not erased:
                continue
            try:
                self._tell(slug, erased)
            except DatabaseError as error:
                logger.warning("replica %s could not tell what it has forgotten: %s", self._name, error)

    def _tell(self, slug: str, erased: Sequence[Erased]) -> None:
        if slug not in self._telling:
            project = Project.objects.filter(slug=slug).first()
            if project is None:
                return
            self._telling[slug] = Telling(project, Place.REPLICA, self._name)
        self._telling[slug].tell(erased)
