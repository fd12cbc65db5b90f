"""One example's way through one model version: the step that learned it, the publish that carried it, each replica that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import Min, Q
from django.utils import timezone

from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.serving.models import ReplicaPosition
from webapp.serving.selectors import ALIVE_S
from webapp.tracing.examples import FoundExample
from webapp.tracing.finding import FoundEvent, when
from webapp.tracing.reached import PublishFound, StepFound, learned_at_ms, publish_of, served_at_ms, step_of
from webapp.tracing.stages import Reach, Stage, counted, in_words
from webapp.training.models import Run

MAX_VERSIONS = 6
STEPS_KEPT = "Steps are kept as far back as a restart would repeat them"
HISTORY_KEPT = "Publishes and replicas' places are kept for a day"


@dataclass
class Lane:
    """`run` is the online run that learned it, or that would."""

    version: ModelVersion
    run: Run | None
    example: FoundExample
    stages: list[Stage] = field(default_factory=list)
    replicas: list[Stage] = field(default_factory=list)

    @property
    def all_stages(self) -> list[Stage]:
        return [*self.stages, *self.replicas]

    @property
    def is_settled(self) -> bool:
        """Whether it will say the same for ever: it has arrived, or nobody trains it any more."""
        return all(stage.is_settled for stage in self.all_stages)


def versions_online(*, project: Project, since_ms: int) -> list[ModelVersion]:
    """Model versions with an online run that is wanted, or that ended after this moment; the newest first."""
    runs = Run.objects.filter(
        Q(wanted=True) | Q(finished_at__gte=when(since_ms)), project=project, mode=Run.Mode.ONLINE
    )
    versions = ModelVersion.objects.filter(runs__in=runs).distinct().select_related("model__project")
    return list(versions.order_by("model__name", "-version")[:MAX_VERSIONS])


class LaneFollower:
    """Follows one example through one version; what was found once is not looked for again."""

    def __init__(self, log: EventLog, version: ModelVersion, example: FoundExample, event: FoundEvent) -> None:
        self._log, self._version, self._example, self._event = log, version, example, event
        self._received_ms = event.event.received_ms
        self._learned_ms: int | None = None
        self._step: StepFound | None = None
        self._publish: PublishFound | None = None
        self._served: dict[str, int] = {}

    def look(self) -> Lane:
        """Raises `LogError`."""
        place = {"partition": self._example.partition, "offset": self._example.offset}
        version = self._version
        self._step = self._step or step_of(log=self._log, version=version, **place)
        since_ms = self._step.at_ms if self._step else self._received_ms
        self._publish = self._publish or publish_of(version=version, since_ms=since_ms, **place)
        if self._step is None and self._learned_ms is None:
            self._learned_ms = learned_at_ms(version=version, since_ms=since_ms, **place)
        run = _run(version, since_ms)
        lane = Lane(version, run, self._example)
        positions = _positions(version)
        is_served = any(self._is_served_by(position) for position in positions)
        lane.stages = [self._trained(run, is_served), self._published(run, is_served)]
        lane.replicas = list(self._replicas(positions, lane.stages[-1]))
        return lane

    def _stage(self, title: str, reach: Reach, said: str = "", at_ms: int | None = None) -> Stage:
        return Stage(title, reach, said, at_ms, received_ms=self._received_ms)

    def _is_served_by(self, position: ReplicaPosition) -> bool:
        """Whether its parameters were trained through the event, by what it says itself: of an example that was made when it came."""
        next_offset = int(position.events_through.get(str(self._event.partition), 0))
        return self._example.is_positive and self._example.is_own and next_offset > self._event.offset

    def _trained(self, run: Run | None, is_served: bool) -> Stage:
        step = self._step
        if step is not None:
            batch = f"{self._example.partition}:{step.since}-{step.until - 1}"
            said = f"Learned in a batch of {counted(step.num_examples, 'example')}, {batch} of the examples."
            return self._stage("Training step", Reach.REACHED, said, step.at_ms)
        if self._learned_ms is not None:
            # Noted when the poll ended that may have published it, too.
            at_ms = min(self._learned_ms, self._publish.at_ms) if self._publish else self._learned_ms
            return self._stage(
                "Training step", Reach.REACHED, f"Learned by then. {STEPS_KEPT}; this one is forgotten.", at_ms
            )
        next_offset = int(run.end_offsets.get(str(self._example.partition), 0)) if run else 0
        if self._publish is not None or is_served or next_offset > self._example.offset:
            return self._stage(
                "Training step", Reach.FORGOTTEN, f"Learned. {STEPS_KEPT}, so which one it was is forgotten."
            )
        if run is None or not run.wanted:
            return self._stage(
                "Training step", Reach.NEVER, "Nobody trains this version online now; a run that goes on learns it."
            )
        num_before = self._example.offset - next_offset + 1
        return self._stage(
            "Training step",
            Reach.WAITING,
            f"The trainer has yet to learn {counted(num_before, 'example')}, this one included.",
        )

    def _published(self, run: Run | None, is_served: bool) -> Stage:
        found = self._publish
        if found is not None:
            numbers = (
                f"Delta {found.last:,}" if found.first == found.last else f"Deltas {found.first:,} to {found.last:,}"
            )
            carried = (
                f"{counted(found.num_rows, 'row')}, {counted(found.num_deletes, 'delete')}, {_size(found.num_bytes)}"
            )
            return self._stage("Published", Reach.REACHED, f"{numbers}: {carried}.", found.at_ms)
        if is_served:
            return self._stage(
                "Published", Reach.FORGOTTEN, f"A replica has it. {HISTORY_KEPT}; nothing of this publish is left."
            )
        trained = (
            self._step is not None
            or self._learned_ms is not None
            or (run is not None and int(run.end_offsets.get(str(self._example.partition), 0)) > self._example.offset)
        )
        if not trained:
            return self._stage(
                "Published",
                Reach.WAITING if run and run.wanted else Reach.NEVER,
                "With the first publish after its step.",
            )
        age_s = timezone.now().timestamp() - self._received_ms / 1000
        if age_s > 600 or run is None or not run.wanted:
            return self._stage("Published", Reach.FORGOTTEN, f"{HISTORY_KEPT}; nothing of this publish is left.")
        return self._stage("Published", Reach.WAITING, "Goes out with the next publish.")

    def _replicas(self, positions: list[ReplicaPosition], published: Stage) -> Iterator[Stage]:
        if not positions:
            yield self._stage("Replicas", Reach.NEVER, "No replica serves this version; deploy it to have it answer.")
        for position in positions:
            yield self._replica(position, published)

    def _replica(self, position: ReplicaPosition, published: Stage) -> Stage:
        name, now_at = position.replica.name, f"Serves {position.sequence:,} now."
        found = self._publish
        if found is None and self._is_served_by(position):
            return self._stage(name, Reach.FORGOTTEN, f"Answers with it; since when is not kept. {now_at}")
        if found is None:
            return self._stage(name, published.reach if published.reach is not Reach.REACHED else Reach.WAITING, now_at)
        at_ms = self._served.get(name) or served_at_ms(
            version=self._version, replica=name, sequence=found.last, since_ms=found.at_ms
        )
        if at_ms is not None:
            self._served[name] = at_ms
            return self._stage(name, Reach.REACHED, f"Answers with it. {now_at}", at_ms)
        if position.sequence >= found.last:
            return self._stage(name, Reach.FORGOTTEN, f"Answers with it; since when is not kept. {now_at}")
        silent_s = (timezone.now() - position.replica.heartbeat_at).total_seconds()
        if silent_s > ALIVE_S:
            return self._stage(
                name, Reach.WAITING, f"Silent for {in_words(silent_s)}; it was at {position.sequence:,}."
            )
        num_behind = found.last - position.sequence
        return self._stage(name, Reach.WAITING, f"{counted(num_behind, 'delta')} behind. {now_at}")


def _positions(version: ModelVersion) -> list[ReplicaPosition]:
    """One of each replica: where it is in several deployments, the one that is behind."""
    least = dict(
        ReplicaPosition.objects.filter(model_version=version).values_list("replica_id").annotate(Min("sequence"))
    )
    rows = (
        ReplicaPosition.objects.filter(model_version=version).select_related("replica").order_by("replica__name", "pk")
    )
    found: dict[int, ReplicaPosition] = {}
    for row in rows:
        if row.sequence == least[row.replica_id]:
            found.setdefault(row.replica_id, row)
    return list(found.values())


def _run(version: ModelVersion, at_ms: int) -> Run | None:
    """The online run at that moment, or else the newest."""
    runs = Run.objects.filter(model_version=version, mode=Run.Mode.ONLINE).defer("report").order_by("-id")
    return runs.filter(started_at__lte=when(at_ms)).first() or runs.first()


def _size(num_bytes: int) -> str:
    return f"{num_bytes:,} bytes" if num_bytes < 10_000 else f"{num_bytes / 1000:,.1f} kB"
