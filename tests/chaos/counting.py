"""What must be true after the faults: everything accepted was joined once, and everything joined was trained on once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.spec.example import Example
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.serving.selectors import sync_status
from webapp.training.models import JoinerProgress, Run

READ_RECORDS = 5000


@dataclass(frozen=True)
class Counts:
    """Where every count of the path stands; flat, for the report."""

    num_events_sent: int
    num_events_logged: int
    num_examples_expected: int
    num_examples_logged: int
    num_examples_distinct: int
    num_examples_joined: int
    num_examples_trained: int
    num_positives_expected: int
    num_positives_logged: int
    trainer_sequence: int
    replica_sequence: int

    def violations(self) -> list[str]:
        """Every broken equality, in words."""
        must_equal = [
            ("events in the log", self.num_events_logged, "events acknowledged", self.num_events_sent),
            ("examples in the log", self.num_examples_logged, "items shown", self.num_examples_expected),
            ("distinct examples in the log", self.num_examples_distinct, "examples there", self.num_examples_logged),
            ("positives in the log", self.num_positives_logged, "clicks acknowledged", self.num_positives_expected),
            ("examples the joiner counts", self.num_examples_joined, "examples in the log", self.num_examples_logged),
            ("examples trained", self.num_examples_trained, "examples joined", self.num_examples_joined),
            ("the replica's sequence", self.replica_sequence, "the trainer's", self.trainer_sequence),
        ]
        return [f"{what}: {got}, but {other}: {wanted}" for what, got, other, wanted in must_equal if got != wanted]


def count(project: Project, run: Run, *, num_events: int, num_shown: int, num_clicks: int) -> Counts:
    """Reads every count now."""
    log = event_log()
    examples = read_examples(log, project.slug)
    progress = JoinerProgress.objects.filter(project=project).first()
    run.refresh_from_db()
    trainer_sequence, replica_sequence = sequences(run.model_version)
    return Counts(
        num_events_sent=num_events,
        num_events_logged=sum(log.end_offsets(topics.events(project.slug)).values()),
        num_examples_expected=num_shown,
        num_examples_logged=len(examples),
        num_examples_distinct=len({example.example_id for example in examples}),
        num_examples_joined=progress.num_examples if progress else 0,
        num_examples_trained=run.num_examples,
        num_positives_expected=num_clicks,
        num_positives_logged=sum(example.labels.get("click") == 1.0 for example in examples),
        trainer_sequence=trainer_sequence,
        replica_sequence=replica_sequence,
    )


def read_examples(log: EventLog, slug: str) -> list[Example]:
    """Every example in the log."""
    topic = topics.examples(slug)
    found: list[Example] = []
    for partition, end in log.end_offsets(topic).items():
        offset = log.earliest_offsets(topic)[partition]
        while offset < end:
            records = log.read(topic, partition, offset, READ_RECORDS)
            found += [Example.from_bytes(record.value) for record in records]
            offset = records[-1].offset + 1
    return found


def sequences(model_version: ModelVersion) -> tuple[int, int]:
    """The trainer's sequence and the replica's; -1 when no replica is known."""
    status = sync_status(model_version=model_version)
    replicas = [replica["sequence"] for replica in status["replicas"]]
    return int(status["trainer"]["sequence"]), max(replicas, default=-1)


def settle(look: Callable[[], Counts], patience_s: float) -> Counts:
    """Looks until nothing is violated or patience ends; answers the last look."""
    deadline = time.monotonic() + patience_s
    while True:
        counts = look()
        if not counts.violations() or time.monotonic() > deadline:
            return counts
        time.sleep(1.0)
