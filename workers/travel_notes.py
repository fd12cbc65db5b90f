"""What the joiner, trainers and replicas write down of their way, so that a person can follow one event afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import orjson

from engine.errors import OffsetOutOfRange, UnknownTopic
from engine.serving.travel_log import Travel
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.publisher import Publisher, PublishReport
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.tracing import services

PARTITION = 0
APART_MS = 250
STEPS_AT_ONCE = 1000
QUIET_TURNS = 5
LEARNED_KEPT = 1000


class TrainerNotes:
    """One trainer's: what each publish carried and, each `APART_MS`, how far training had come. Raises what the database does."""

    def __init__(self, version: ModelVersion, publisher: Publisher, clock: Callable[[], float] = time.time) -> None:
        self._version, self._publisher, self._clock = version, publisher, clock
        self._learned: list[tuple[int, dict[int, int]]] = []
        self._places: dict[int, int] = {}

    def turn(self, learned: Mapping[int, int], published: PublishReport) -> None:
        """After each poll: how far training is (partition -> next offset of examples) and what was published, mostly nothing."""
        self._note_learned(dict(learned))
        last = self._publisher.last_published
        if not published.sequences or last is None:
            return
        services.publish_note(
            model_version=self._version,
            at_ms=last.created_ms,
            sequences=published.sequences,
            num_rows=published.num_rows,
            num_deletes=published.num_deletes,
            num_bytes=published.num_bytes,
            examples_through=last.trained_through.examples,
            rows_by_slot=published.rows_by_slot,
            learned=self._learned,
        )
        self._learned = []

    def _note_learned(self, places: dict[int, int]) -> None:
        if places == self._places:
            return
        at_ms, self._places = int(self._clock() * 1000), places
        if self._learned and at_ms // APART_MS == self._learned[-1][0] // APART_MS:
            self._learned[-1] = at_ms, places
        else:
            self._learned = [*self._learned[1 - LEARNED_KEPT :], (at_ms, places)]


class JoinerNotes:
    """Of the steps that a project's joiner writes to the log, one each `APART_MS`, read back once a second. Raises `LogError`."""

    def __init__(self, log: EventLog, project: Project) -> None:
        self._log, self._project = log, project
        self._topic = topics.joiner_steps(project.slug)
        self._next: int | None = None

    def turn(self) -> None:
        try:
            if self._next is None:
                self._next = self._log.end_offsets(self._topic)[PARTITION]
                return
            records = self._log.read(self._topic, PARTITION, self._next, STEPS_AT_ONCE)
        except OffsetOutOfRange as error:
            self._next = int(error.extra["earliest"])
            return
        except UnknownTopic:
            return
        if records:
            self._next = records[-1].offset + 1
            services.joiner_note(project=self._project, marks=marks_of([record.value for record in records]))


def marks_of(steps: list[bytes]) -> list[tuple[int, dict[int, int]]]:
    """When the joiner took which events: (ms, partition -> next offset) of the steps' bytes, those close together as the last of them."""
    marks: list[tuple[int, dict[int, int]]] = []
    for value in steps:
        said = orjson.loads(value)
        if not said.get("events"):
            continue
        at_ms, places = int(said["now_ms"]), {int(partition): int(after) for partition, _, after in said["events"]}
        if marks and at_ms // APART_MS == marks[-1][0] // APART_MS:
            marks[-1] = at_ms, marks[-1][1] | places
        else:
            marks.append((at_ms, places))
    return marks


class ReplicaNotes:
    """One replica's. Where nothing moves it is said every `QUIET_TURNS` turns that it still stands there."""

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self._name, self._clock = name, clock
        self._totals: dict[int, tuple[int, int]] = {}
        self._quiet: dict[int, int] = {}

    def turn(self, travels: Mapping[int, Travel]) -> None:
        """`travels`: by model version's id what `Replica.take_travel` answered."""
        self._totals = {one: totals for one, totals in self._totals.items() if one in travels}
        for version_id, travel in travels.items():
            self._quiet[version_id] = self._quiet.get(version_id, QUIET_TURNS) + 1
            if travel.reached or travel.resyncs or self._quiet[version_id] >= QUIET_TURNS:
                self._quiet[version_id] = 0
                self._note(version_id, travel)

    def _note(self, version_id: int, travel: Travel) -> None:
        status = travel.status
        if status is None:
            return
        totals = status.num_rows_applied, status.num_bytes_applied
        before = self._totals.get(version_id, (0, 0))
        # Counts are since the model was loaded: one that was loaded anew begins at none.
        since = (0, 0) if totals < before else before
        self._totals[version_id] = totals
        services.replica_note(
            model_version=ModelVersion(pk=version_id),
            replica=self._name,
            at_ms=int(self._clock() * 1000),
            reached=[(one.at_ms, one.sequence) for one in travel.reached],
            resyncs=[
                services.ResyncNote(one.cause, one.at_ms, one.from_sequence, one.to_sequence, one.detail)
                for one in travel.resyncs
            ],
            sequence=status.sequence,
            num_behind=max(0, status.trainer_sequence - status.sequence),
            age_s=status.age_s,
            num_rows_applied=totals[0] - since[0],
            num_bytes_applied=totals[1] - since[1],
            verified_sequence=status.verified_sequence,
        )
