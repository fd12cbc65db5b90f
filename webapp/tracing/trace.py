"""One event from its receipt to the replicas that answer with what it taught: looked at again while it travels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import LogError
from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.core.log import event_log
from webapp.registry.models import SchemaVersion
from webapp.registry.selectors import schema_document
from webapp.tracing.examples import SHOWN, ExampleScan, FoundExample, recommendation_event_id
from webapp.tracing.finding import FoundEvent, NotFound, event_find, when
from webapp.tracing.joiner_stage import joiner_stage, window_stages
from webapp.tracing.lanes import Lane, LaneFollower, versions_online
from webapp.tracing.stages import Reach, Stage
from webapp.tracing.waterfall import Waterfall, waterfall
from webapp.tracing.windows import windows_of

NOTED_WITHIN_MS = 15_000


@dataclass
class Trace:
    """What is known of one event now. `is_over`: it will say the same for ever."""

    event_id: str
    found: FoundEvent | NotFound
    stages: list[Stage] = field(default_factory=list)
    examples: list[FoundExample] = field(default_factory=list)
    num_examples: int = 0
    is_cut: bool = False
    impression_id: str | None = None
    lanes: list[Lane] = field(default_factory=list)
    picture: Waterfall | None = None
    problem: str = ""
    age_ms: int = 0

    @property
    def event(self) -> FoundEvent | None:
        return self.found if isinstance(self.found, FoundEvent) else None

    @property
    def missing(self) -> NotFound | None:
        return self.found if isinstance(self.found, NotFound) else None

    @property
    def is_over(self) -> bool:
        if isinstance(self.found, NotFound):
            return self.found.rejected is not None or self.found.dead is not None
        stages = [*self.stages, *(stage for lane in self.lanes for stage in lane.all_stages)]
        # When a stage was reached is noted within seconds; until then it looks as if that were forgotten.
        is_noted = self.age_ms > NOTED_WITHIN_MS or all(stage.reach is not Reach.FORGOTTEN for stage in stages)
        return is_noted and all(stage.is_settled for stage in stages)


class Tracer:
    """Follows one event; each `look` reads a bounded number of records, and not again what it has found."""

    def __init__(
        self,
        project: Project,
        event_id: str,
        at: tuple[int, int] | None = None,
        *,
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._project, self._event_id, self._at, self._now_ms = project, event_id, at, now_ms
        self._found: FoundEvent | None = None
        self._scan: ExampleScan | None = None
        self._followers: dict[tuple[int, int], LaneFollower] = {}

    def look(self) -> Trace:
        """What is known now. A log that does not answer is said in `problem`."""
        try:
            return self._look()
        except LogError as error:
            return Trace(self._event_id, self._found or NotFound(None, None), problem=error.message)

    def _look(self) -> Trace:
        if self._found is None:
            found = event_find(project=self._project, event_id=self._event_id, at=self._at)
            if isinstance(found, NotFound):
                return Trace(self._event_id, found)
            self._found = found
        return self._followed(self._found)

    def _followed(self, found: FoundEvent) -> Trace:
        project, now_ms, log = self._project, self._now_ms(), event_log()
        schema = schema_document(project=project)
        windows = windows_of(schema)
        if self._scan is None:
            self._scan = ExampleScan(log, project.slug, found, windows)
        if found.event.role is not EventRole.OTHER:
            self._scan.look(now_ms)
        examples = sorted(self._scan.found.values(), key=lambda one: one.offset)
        own = [one for one in examples if one.is_own] or examples
        joined = joiner_stage(project, found, schema, own)
        trace = Trace(
            self._event_id, found, examples=examples[:SHOWN], num_examples=len(examples), is_cut=self._scan.is_cut
        )
        trace.age_ms = now_ms - found.event.received_ms
        trace.stages = [_received(project, found), joined, *window_stages(found, windows, joined, now_ms)]
        trace.stages += _no_example_yet(found, joined, own)
        trace.impression_id = next((one for each in own if (one := recommendation_event_id(found.event, each))), None)
        trace.lanes = [lane for example in _followed_examples(own) for lane in self._lanes(example, found)]
        trace.picture = waterfall(trace.stages, trace.lanes)
        return trace

    def _lanes(self, example: FoundExample, found: FoundEvent) -> list[Lane]:
        lanes = []
        for version in versions_online(project=self._project, since_ms=found.event.received_ms):
            key = version.pk, example.offset
            if key not in self._followers:
                self._followers[key] = LaneFollower(event_log(), version, example, found)
            lanes.append(self._followers[key].look())
        return lanes


def _received(project: Project, found: FoundEvent) -> Stage:
    received_ms = found.event.received_ms
    versions = SchemaVersion.objects.filter(project=project, created_at__lte=when(received_ms)).order_by("-version")
    version = versions.values_list("version", flat=True).first()
    judged = f", judged by schema version {version}" if version else ""
    said = f"Partition {found.partition}, offset {found.offset:,} of the event log{judged}."
    return Stage("Received", Reach.REACHED, said, received_ms, received_ms=received_ms)


def _no_example_yet(found: FoundEvent, joined: Stage, examples: list[FoundExample]) -> list[Stage]:
    """An action that was taken and whose example is still to come, of which lanes cannot speak yet."""
    is_expected = found.event.role is EventRole.ACTION and not examples and joined.reach is Reach.REACHED
    if not is_expected:
        return []
    return [Stage("Example", Reach.WAITING, "None was made of it yet.", received_ms=found.event.received_ms)]


def _followed_examples(examples: list[FoundExample]) -> list[FoundExample]:
    """The first and the last that the event itself made: an impression's come when windows end, one after the other."""
    return (
        examples[:1] if len(examples) < 2 or examples[0].labels == examples[-1].labels else [examples[0], examples[-1]]
    )
