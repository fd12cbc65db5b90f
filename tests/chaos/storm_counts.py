"""What must be true after the storm, counted from the log itself."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from engine.errors import CorruptRecord
from engine.spec.event import Event
from engine.spec.example import Example
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.delta import decode_header
from engine.training.logged import parse_records
from tests.chaos.subject import Subject
from webapp.core.log import event_log
from webapp.serving.selectors import sync_status
from webapp.training.models import JoinerProgress

READ_RECORDS = 5000


@dataclass(frozen=True)
class StormCounts:
    """Flat, for the report."""

    num_events_acknowledged: int
    num_events_missing: int
    num_examples_expected: int
    num_examples_logged: int
    num_examples_distinct: int
    num_examples_joined: int
    num_examples_trained: int
    num_positives_expected: int
    num_positives_logged: int
    num_replicas: int
    num_replicas_behind: int
    num_digests_differing: int

    def violations(self) -> list[str]:
        """Every broken promise, in words."""
        must_equal = [
            ("distinct examples in the log", self.num_examples_distinct, "examples there", self.num_examples_logged),
            ("examples in the log", self.num_examples_logged, "items shown", self.num_examples_expected),
            ("positives in the log", self.num_positives_logged, "clicks", self.num_positives_expected),
            ("examples the joiner counts", self.num_examples_joined, "examples in the log", self.num_examples_logged),
            ("examples trained", self.num_examples_trained, "examples joined", self.num_examples_joined),
            ("acknowledged events that the log lacks", self.num_events_missing, "what may be lost", 0),
            ("replicas behind the trainer", self.num_replicas_behind, "what may be behind", 0),
            ("replicas whose digest is not the trainer's", self.num_digests_differing, "what may differ", 0),
        ]
        found = [f"{what}: {got}, but {other}: {wanted}" for what, got, other, wanted in must_equal if got != wanted]
        return found if self.num_replicas else [*found, "no replica answers"]


def storm_count(subject: Subject, *, event_ids: set[str], num_clicks: int) -> StormCounts:
    """Reads every count now. `event_ids` are those that were acknowledged, `num_clicks` how many of them are clicks."""
    log = event_log()
    slug = subject.project.slug
    logged_ids, num_shown = _events(log, slug)
    examples = _examples(log, slug)
    progress = JoinerProgress.objects.filter(project=subject.project).first()
    subject.run.refresh_from_db()
    status = sync_status(model_version=subject.run.model_version, with_deltas=0)
    live = [replica for replica in status["replicas"] if replica["source"] == "live"]
    sequence, digest = _published(log, subject)
    return StormCounts(
        num_events_acknowledged=len(event_ids),
        num_events_missing=len(event_ids - logged_ids),
        num_examples_expected=num_shown,
        num_examples_logged=len(examples),
        num_examples_distinct=len({example.example_id for example in examples}),
        num_examples_joined=progress.num_examples if progress else 0,
        num_examples_trained=subject.run.num_examples,
        num_positives_expected=num_clicks,
        num_positives_logged=sum(example.labels.get("click") == 1.0 for example in examples),
        num_replicas=len(live),
        num_replicas_behind=sum(replica["sequence"] != sequence for replica in live),
        num_digests_differing=sum(replica["digest"] != digest for replica in live),
    )


def _examples(log: EventLog, slug: str) -> list[Example]:
    """Every example in the log that counts: canaries are none, nor is what a joiner wrote that had lost its lease."""
    topic = topics.examples(slug)
    found: list[Example] = []
    epochs: dict[int, int] = {}
    for partition, end in log.end_offsets(topic).items():
        offset = log.earliest_offsets(topic)[partition]
        while offset < end:
            records = log.read(topic, partition, offset, READ_RECORDS)
            logged = parse_records(records, epochs)
            epochs.update(logged.epochs)
            found += logged.examples
            offset = records[-1].offset + 1
    return found


def _events(log: EventLog, slug: str) -> tuple[set[str], int]:
    """Every event id in the log, and how many items the distinct impressions show: each leads to one example."""
    topic = topics.events(slug)
    ids: set[str] = set()
    num_shown = 0
    for partition, end in log.end_offsets(topic).items():
        offset = log.earliest_offsets(topic)[partition]
        while offset < end:
            records = log.read(topic, partition, offset, READ_RECORDS)
            for record in records:
                event_id, num_items = _event(record.value)
                num_shown += 0 if event_id in ids else num_items
                ids.add(event_id)
            offset = records[-1].offset + 1
    return ids, num_shown


def _event(value: bytes) -> tuple[str, int]:
    """Of the log's own form or, where another producer wrote it, of the API's."""
    try:
        event = Event.from_bytes(value)
    except CorruptRecord:
        document = orjson.loads(value)
        return str(document["event_id"]), len(document.get("items", ()))
    return event.event_id, len(event.items)


def _published(log: EventLog, subject: Subject) -> tuple[int, str]:
    """The newest sequence, and the trainer's digest at the newest delta that carries one, as a replica shows its own."""
    version = subject.run.model_version
    topic = topics.params(subject.project.slug, version.model.name, version.version)
    sequence, digest = 0, ""
    for partition, end in log.end_offsets(topic).items():
        offset = log.earliest_offsets(topic)[partition]
        while offset < end:
            records = log.read(topic, partition, offset, READ_RECORDS)
            for record in records:
                try:
                    header = decode_header(record.value)
                except CorruptRecord:
                    continue
                sequence = header.sequence
                if header.digests:
                    digest = f"{sum(header.digests.values()) % 2**64:016x}"
            offset = records[-1].offset + 1
    return sequence, digest
