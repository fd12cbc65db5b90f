"""What a replica holds of one project: its state and every model version that its deployments need, each once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InvalidDocument, Problem
from engine.retrieval.catalogue import ItemChanges
from engine.serving.deployment import ModelRef
from engine.serving.knowing import known_of
from engine.serving.known import Kind, Known
from engine.serving.project_state import ProjectState
from engine.serving.requests import Role
from engine.serving.served_model import ServedModel
from engine.serving.stages import RankingStage, RetrievalStage
from engine.serving.user_state import UserLimits
from engine.spec.architecture import is_retrieval
from engine.spec.candidates import Candidates
from engine.spec.counter import Counter
from engine.spec.schema import Schema
from engine.streams.log import EventLog

Stage = RetrievalStage | RankingStage
StageKey = tuple[Role, str, int]

logger = logging.getLogger(__name__)


def stage_key(role: Role, ref: ModelRef) -> StageKey:
    return role, ref.name, ref.version


class HostedProject:
    """One thread polls while another deploys; the state and the stages it hands out are for any.

    A model is built and brought up to date outside the lock: compiling it takes seconds in which the others must go on.
    """

    def __init__(
        self,
        log: EventLog,
        project: str,
        models_directory: Path,
        clock: Callable[[], float],
        joiner_directory: Path | None = None,
        *,
        users_directory: Path | None = None,
        user_limits: UserLimits | None = None,
    ) -> None:
        """`users_directory` is where what is known of users is kept for the next start."""
        self.project = project
        self.state = ProjectState(
            log,
            project,
            joiner_directory=joiner_directory,
            clock=clock,
            directory=users_directory,
            limits=user_limits,
        )
        self._log = log
        self._models_directory = models_directory
        self._clock = clock
        self._lock = threading.Lock()
        # The catalogue is read under a lock of its own: who waits for a deletion does not wait for vectors to be renewed.
        self._catalogue_lock = threading.Lock()
        self._catalogue_changes: list[ItemChanges] = []
        # For each stage being built what changed in the catalogue meanwhile.
        self._missed: list[list[ItemChanges]] = []
        self._retrieval: dict[StageKey, RetrievalStage] = {}
        self._ranking: dict[StageKey, RankingStage] = {}

    def retrieval(self, ref: ModelRef) -> RetrievalStage:
        """The stage of a model version, caught up with what was published. Raises `InvalidDocument` unless it is one of retrieval."""
        if not is_retrieval(ref.definition.architecture):
            kind = ref.definition.architecture.kind
            raise InvalidDocument("deployment", [Problem("retrieval", "must be a retrieval model", kind)])
        key = stage_key("retrieval", ref)
        if key not in self._retrieval:
            with self._catalogue_watched() as missed:
                stage = RetrievalStage(self._model(ref), self.state.catalogue)
                self._catch_up(stage)
                with self._lock:
                    for changes in missed:
                        stage.mark_changed(changes)
                    self._retrieval[key] = stage
        return self._retrieval[key]

    def ranking(self, ref: ModelRef) -> RankingStage:
        """The stage of a model version, caught up with what was published."""
        key = stage_key("ranking", ref)
        if key not in self._ranking:
            with self._catalogue_watched() as missed:
                stage = RankingStage(self._model(ref), self.state.catalogue)
                self._catch_up(stage)
                with self._lock:
                    for changes in missed:
                        stage.mark_changed(changes)
                    self._ranking[key] = stage
        return self._ranking[key]

    def keep_only(self, keys: Collection[StageKey]) -> None:
        """Let go of the stages no deployment needs any more."""
        with self._lock:
            self._retrieval = {key: stage for key, stage in self._retrieval.items() if key in keys}
            self._ranking = {key: stage for key, stage in self._ranking.items() if key in keys}

    def known(self, kind: Kind, entity_id: str) -> Known:
        """What is held of one user or item."""
        return known_of(self.state, [*self._retrieval.values(), *self._ranking.values()], kind, entity_id)

    def judge_by(self, schema: Schema) -> None:
        """Judge events that others write to the topic by this schema."""
        with self._lock:
            self.state.judge_by(schema)

    def keep_history(self, length: int) -> None:
        """Keep at least `length` items of each user."""
        with self._lock:
            self.state.keep_history(length)

    def keep_types(self, event_types: Collection[str]) -> None:
        """Keep what users did by events of these types too, whatever their role."""
        with self._lock:
            self.state.keep_types(event_types)

    def close(self) -> None:
        """Keep what is known of users for the next start."""
        with self._lock:
            self.state.close()

    def keep_counters(self, counters: Mapping[str, Counter]) -> None:
        """Keep these counters. Raises `LogError`."""
        with self._lock:
            self.state.keep_counters(counters)

    def keep_candidates(self, candidates: Candidates) -> None:
        """Let the sources that follow actions find candidates so."""
        with self._lock:
            self.state.keep_candidates(candidates)

    def catch_up(self) -> None:
        """Read the catalogue and the events to their present ends, as far as the log can be read."""
        while self._poll_state_once():
            continue

    def catch_up_to(self, catalog_offsets: Mapping[int, int], wait: Callable[[], bool]) -> bool:
        """Read `catalog` until the records at these offsets (partition -> offset) are applied; False when `wait`, called whenever
        they are not there yet, says that there is no more time. Raises `LogError`."""
        while not self._is_past(catalog_offsets):
            if self._read_catalogue() == 0 and not wait():
                return self._is_past(catalog_offsets)
        return True

    def _is_past(self, catalog_offsets: Mapping[int, int]) -> bool:
        # Under the lock, because what was read is not yet applied while another thread holds it.
        with self._catalogue_lock:
            reached = self.state.catalogue_offsets()
        return all(reached.get(partition, 0) > offset for partition, offset in catalog_offsets.items())

    def _read_catalogue(self) -> int:
        with self._catalogue_lock:
            changes, num_changes = self.state.poll_catalogue()
            self._catalogue_changes.append(changes)
        return num_changes

    def _take_catalogue_changes(self) -> list[ItemChanges]:
        with self._catalogue_lock:
            taken, self._catalogue_changes = self._catalogue_changes, []
        return taken

    def _poll_state_once(self) -> int:
        with self._lock:
            return self._poll_state()

    def poll(self) -> int:
        """Read on in every topic once; answers how much there was to do. What fails is noted where requests see it."""
        with self._lock:
            num_done = self._poll_state()
            stages: list[Stage] = [*self._retrieval.values(), *self._ranking.values()]
            canaries = self.state.canaries.take()
            for stage in stages:
                stage.model.freshness.expect(canaries)
                num_done += self._poll_stage(stage)
        return num_done

    @contextmanager
    def _catalogue_watched(self) -> Iterator[list[ItemChanges]]:
        """Notes what the catalogue's polls bring, for a stage that does not get it from them yet."""
        missed: list[ItemChanges] = []
        with self._lock:
            self._missed.append(missed)
        try:
            yield missed
        finally:
            with self._lock:
                self._missed = [one for one in self._missed if one is not missed]

    def _poll_state(self) -> int:
        try:
            num_changes = self._read_catalogue()
            stages: list[Stage] = [*self._retrieval.values(), *self._ranking.values()]
            for changes in self._take_catalogue_changes():
                self.state.note_catalogue(changes)
                for stage in stages:
                    stage.mark_changed(changes)
                for missed in self._missed:
                    missed.append(changes)
            num_events = self.state.poll_events()
        except Exception as error:
            if self.state.failure is None:
                logger.exception("project %s cannot be brought up to date", self.project)
            self.state.failure = str(error)
            return 0
        self.state.failure = None
        return num_changes + num_events

    def _poll_stage(self, stage: Stage) -> int:
        """One model's failure must not keep the others from their parameters, whatever it is."""
        try:
            num_done = stage.poll()
        except Exception as error:
            if stage.model.failure is None:
                logger.exception("%s model %s cannot be brought up to date", stage.role, stage.model.title)
            stage.model.failure = str(error) or type(error).__name__
            return 0
        stage.model.failure = None
        return num_done

    def _catch_up(self, stage: Stage) -> None:
        while self._poll_stage(stage) and not stage.model.can_answer:
            continue

    def _model(self, ref: ModelRef) -> ServedModel:
        directory = self._models_directory / ref.name / f"v{ref.version}" / "snapshots"
        return ServedModel(self._log, self.project, ref, snapshots_directory=directory, clock=self._clock)
