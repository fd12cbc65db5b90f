"""A replica: several deployments of several projects, kept up with the log, answering requests meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from engine.errors import ReplicaUnavailable
from engine.serving.deployment import DeploymentSpec
from engine.serving.freshness_meter import Freshness
from engine.serving.hosted_project import HostedProject, Stage, StageKey, stage_key
from engine.serving.items_counting import items_counted
from engine.serving.known import Kind, Known
from engine.serving.pipeline import Pipeline, Recommendation
from engine.serving.requests import (
    CatchUpReply,
    CountReply,
    CountRequest,
    DeploymentStatus,
    EvaluateRequest,
    RecommendReply,
    RecommendRequest,
    StatusReply,
)
from engine.serving.travel_log import Travel
from engine.serving.user_state import UserLimits
from engine.spec.deployment import DeploymentDocument
from engine.spec.erasure import Erased
from engine.spec.schema import EventRole
from engine.streams.log import EventLog

_CATCH_UP_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Deployed:
    spec: DeploymentSpec
    project: HostedProject
    pipeline: Pipeline
    stages: tuple[Stage, ...]


class Replica:
    """Requests come from any thread and wait neither for `poll` nor for `deploy` or `withdraw`, which wait for each other only.

    Meanwhile `poll` keeps what is served up with the log, whatever a new deployment needs to be built.

    `data_directory` is where trainers leave snapshots, `models/<project>/<model>/v<version>/snapshots`, and joiners their checkpoints,
    `joiners/<project>`, from which counters start; what it knows of users it keeps itself, `replicas/r-<name>/<project>/users`. What
    several deployments need (a project's catalogue, a model version) is held once. `clock` answers seconds since the epoch.
    """

    def __init__(
        self,
        log: EventLog,
        data_directory: Path,
        *,
        name: str = "replica",
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.perf_counter,
        user_limits: UserLimits | None = None,
    ) -> None:
        """`name` is no other replica's with the same data."""
        self.name = name
        self.started_ms = int(clock() * 1000)
        self._log = log
        self._models_directory = data_directory / "models"
        self._joiners_directory = data_directory / "joiners"
        self._own_directory = data_directory / "replicas" / f"r-{quote(name, safe='')}"
        self._user_limits = user_limits
        self._clock = clock
        self._stopwatch = stopwatch
        self._changing = threading.Lock()
        # Both are replaced whole at each change, so that others read them without a lock.
        self._projects: dict[str, HostedProject] = {}
        self._deployed: dict[tuple[str, str], _Deployed] = {}

    def deployments(self) -> list[DeploymentSpec]:
        """What is deployed, by project and name."""
        return [self._deployed[key].spec for key in sorted(self._deployed)]

    def deploy(self, spec: DeploymentSpec) -> None:
        """Serve a deployment, or another version of it. The old version answers until the new one has read what there is.

        Raises `InvalidDocument` for a retrieval stage whose model only ranks; then nothing has changed for requests.
        """
        with self._changing:
            try:
                deployed = self._prepare(spec)
                self._deployed = {**self._deployed, (spec.project, spec.name): deployed}
            finally:
                self._let_go_of_unused()

    def withdraw(self, project: str, name: str) -> None:
        """Stop serving a deployment; one that is not served is no error."""
        with self._changing:
            self._deployed = {key: each for key, each in self._deployed.items() if key != (project, name)}
            self._let_go_of_unused()

    def close(self) -> None:
        """Keep what is known of users for the next start. When nobody polls any more."""
        for project in self._projects.values():
            project.close()

    def poll(self) -> int:
        """Read on in every topic once; answers how much there was to do (0: nothing). What fails is noted and tried again."""
        return sum(project.poll() for project in self._projects.values())

    def recommend(self, request: RecommendRequest, left_s: float | None = None) -> RecommendReply:
        """Raises `ReplicaUnavailable` for a deployment not served here, `InvalidDocument` for a request out of bounds.

        `left_s` is how long the one who asks will wait.
        """
        started_s = self._stopwatch()
        deployed = self._serving(request.project, request.deployment)
        answer = deployed.pipeline.recommend(request, left_s)
        return self._reply(answer, started_s, deployed.spec.revision)

    def evaluate(self, asked: EvaluateRequest, left_s: float | None = None) -> RecommendReply:
        """As `recommend`, under another document or for an asker of then; of revision 0 when the document is another.

        Raises besides `InvalidDocument` for a document that does not fit.
        """
        started_s = self._stopwatch()
        deployed = self._serving(asked.request.project, asked.request.deployment)
        pipeline, revision = deployed.pipeline, deployed.spec.revision
        if asked.document is not None:
            pipeline, revision = pipeline.under(DeploymentDocument.parse(asked.document, "the draft")), 0
        answer = pipeline.recommend(asked.request, left_s, as_of=asked.as_of, about=asked.about)
        return self._reply(answer, started_s, revision)

    def count_items(self, asked: CountRequest) -> CountReply:
        """For how many items each expression holds now. Raises `ReplicaUnavailable`."""
        deployed = self._serving(asked.project, asked.deployment)
        return items_counted(asked, deployed.project.state, deployed.spec.schema, int(self._clock() * 1000))

    def _serving(self, project: str, deployment: str) -> _Deployed:
        deployed = self._deployed.get((project, deployment))
        if deployed is None:
            raise ReplicaUnavailable(
                f"replica {self.name} serves no deployment {deployment!r} of project {project!r}",
                project=project,
                deployment=deployment,
            )
        return deployed

    def _reply(self, answer: Recommendation, started_s: float, revision: int) -> RecommendReply:
        return RecommendReply(
            items=answer.items,
            models=answer.models,
            degraded=answer.degraded,
            features_json=answer.features_json,
            took_ms=(self._stopwatch() - started_s) * 1000,
            replica=self.name,
            unknown=answer.unknown,
            explanation_json=answer.explanation_json,
            revision=revision,
        )

    def catch_up(self, project: str, catalog_offsets: Mapping[int, int], timeout_s: float) -> CatchUpReply:
        """Read the project's `catalog` until the records at these offsets are applied, or `timeout_s` have gone by. A replica that holds
        nothing of the project has nothing to catch up with. Raises `LogError`."""
        hosted = self._projects.get(project)
        if hosted is None:
            return CatchUpReply(True, {}, self.name)
        until_s = self._stopwatch() + timeout_s
        pause = threading.Event()

        def wait() -> bool:
            left_s = until_s - self._stopwatch()
            pause.wait(min(_CATCH_UP_PAUSE_S, max(0.0, left_s)))
            return left_s > 0

        reached = hosted.catch_up_to(catalog_offsets, wait)
        return CatchUpReply(reached, hosted.state.catalogue_offsets(), self.name)

    def erased(self) -> dict[str, list[Erased]]:
        """By project the last erasures that were carried out; of a project that starts from a state without them, none."""
        return {name: list(hosted.state.users.erased) for name, hosted in self._projects.items()}

    def known(self, project: str, kind: Kind, entity_id: str) -> Known:
        """What is held of one user or item. Raises `ReplicaUnavailable` for a project of which nothing is served here."""
        hosted = self._projects.get(project)
        if hosted is None:
            said = f"replica {self.name} serves nothing of project {project!r}"
            raise ReplicaUnavailable(said, project=project)
        return hosted.known(kind, entity_id)

    def status(self) -> StatusReply:
        """Where every model of every deployment stands."""
        deployed = self._deployed
        return StatusReply(self.name, self.started_ms, [_status(deployed[key]) for key in sorted(deployed)])

    def resync(self, project: str, model: str, version: int) -> None:
        """Let a model version be loaded from its newest snapshot; one that is not served is no error."""
        for deployed in self._deployed.values():
            for stage in deployed.stages:
                if (deployed.spec.project, stage.model.ref.name, stage.model.ref.version) == (project, model, version):
                    stage.model.resync()

    def take_freshness(self) -> dict[tuple[str, str, int], Freshness]:
        """What was measured since the last call, by project, model and version; the stage that was slower where a model is two."""
        taken: dict[tuple[str, str, int], Freshness] = {}
        models = {
            id(stage.model): (key[0], stage.model) for key, each in self._deployed.items() for stage in each.stages
        }
        for project, model in models.values():
            found, key = model.freshness.take(), (project, model.ref.name, model.ref.version)
            if key not in taken or max(found.wall_s, default=0.0) > max(taken[key].wall_s, default=0.0):
                taken[key] = found
        return taken

    def take_travel(self) -> dict[tuple[str, str, int], Travel]:
        """What each served model applied since the last call, by project, model and version; of a model that is in two stages one."""
        models = {
            (key[0], stage.model.ref.name, stage.model.ref.version): stage.model
            for key, each in self._deployed.items()
            for stage in each.stages
        }
        return {key: model.travel.take() for key, model in models.items()}

    def _prepare(self, spec: DeploymentSpec) -> _Deployed:
        project = self._projects.get(spec.project)
        if project is None:
            directory = self._models_directory / spec.project
            joiner_directory = self._joiners_directory / spec.project
            project = HostedProject(
                self._log,
                spec.project,
                directory,
                self._clock,
                joiner_directory,
                users_directory=self._own_directory / spec.project / "users",
                user_limits=self._user_limits,
            )
        project.judge_by(spec.schema)
        project.keep_history(spec.schema.history_length)
        project.keep_counters(spec.schema.counters)
        project.keep_candidates(spec.schema.candidates)
        project.keep_types(_watched_types(spec))
        project.catch_up()
        retrieval = None if spec.retrieval is None else project.retrieval(spec.retrieval)
        ranking = None if spec.ranking is None else project.ranking(spec.ranking)
        stages = tuple(stage for stage in (retrieval, ranking) if stage is not None)
        self._projects = {**self._projects, spec.project: project}
        pipeline = Pipeline(project.state, retrieval, ranking, spec, clock=self._clock, stopwatch=self._stopwatch)
        return _Deployed(spec, project, pipeline, stages)

    def _let_go_of_unused(self) -> None:
        needed: dict[str, set[StageKey]] = {}
        for deployed in self._deployed.values():
            keys = {stage_key(stage.role, stage.model.ref) for stage in deployed.stages}
            needed.setdefault(deployed.spec.project, set()).update(keys)
        unused = [project for name, project in self._projects.items() if name not in needed]
        self._projects = {name: project for name, project in self._projects.items() if name in needed}
        for project in unused:
            project.close()
        for name, project in self._projects.items():
            project.keep_only(needed[name])


def _watched_types(spec: DeploymentSpec) -> list[str]:
    """What makes an item seen beside actions, which are kept anyway."""
    named = spec.document.seen.event_types or []
    return [each for each in named if spec.schema.role_of(each) is not EventRole.ACTION]


def _status(deployed: _Deployed) -> DeploymentStatus:
    catalogue = deployed.project.state.catalogue
    return DeploymentStatus(
        project=deployed.spec.project,
        name=deployed.spec.name,
        models=[stage.model.status(stage.role) for stage in deployed.stages],
        num_items=catalogue.num_items,
        num_users=catalogue.num_users,
    )
