"""A hyper-parameter search: one trial after the other, each noted before the next is drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone

from engine.errors import GivenUp, InvalidDocument, OffsetOutOfRange
from engine.spec.definition import ModelDefinition
from engine.spec.search import SearchSettings, with_values
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.core.errors import Invalid
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.long_jobs.selectors import long_job_is_wanted
from webapp.long_jobs.services import long_job_finished
from webapp.training import search_services as services
from webapp.training.example_files import example_file
from webapp.training.search_models import Search, Trial
from webapp.training.search_selectors import search_settings, trials_finished
from workers.celery_app import app
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease
from workers.long_job import Attempt, take_up
from workers.pacing import Pace
from workers.runs import MAX_ERROR_LENGTH, TRIMMED, UNUSABLE

LOOK_EVERY_S = 1.0
NO_EXAMPLES = "There are too few examples to learn from some and be judged by others; send events first."


@app.task(name=Job.SEARCH.value)
def search(search_id: int) -> None:
    take_up(Search, search_id, _search, parts=("project", "model_version__model"), refusals=UNUSABLE)


def _search(attempt: Attempt[Search]) -> None:
    try:
        SearchWork(attempt.job, attempt.lease, attempt.should_end).run()
    except OffsetOutOfRange as error:
        raise Invalid(TRIMMED.format(error.message)) from error


class SearchWork:
    """One attempt at a search, under its lease."""

    def __init__(self, found: Search, lease: HeldLease, should_end: Callable[[], bool]) -> None:
        self._search, self._lease, self._should_end = found, lease, should_end
        self._settings: SearchSettings = search_settings(found)
        self._look = Pace(LOOK_EVERY_S)
        self._is_wanted = True

    def run(self) -> None:
        """Until there are enough trials. Raises `Interrupted` and what the log and the database raise."""
        # Optuna and TensorFlow are loaded here, in the child that searches.
        from engine.training.epoch_plan import EpochPlan

        log, topic = self._examples(), topics.examples(self._search.project.slug)
        plan = EpochPlan.begin(log.earliest_offsets(topic), log.end_offsets(topic), self._settings.fraction)
        if not plan.num_held_out and not self._search.plan:
            long_job_finished(job=self._search, state=Search.State.FAILED, error=NO_EXAMPLES)
            return
        services.search_started(search=self._search, plan=asdict(plan))
        while self._trial():
            pass
        long_job_finished(job=self._search, state=Search.DONE)

    def _trial(self) -> bool:
        """Try what is next; False when there were enough."""
        from engine.training.search import NextTrial, Outcome, OutcomeState

        finished = trials_finished(search=self._search)
        if len(finished) >= self._settings.num_trials or self._time_is_over():
            return False
        outcomes = [
            Outcome(
                each.params,
                OutcomeState(each.state),
                each.value,
                {int(rung): value for rung, value in each.rungs.items()},
            )
            for each in finished
        ]
        drawn = NextTrial(self._settings, outcomes)
        self._lease.fence()
        trial = services.trial_begin(search=self._search, number=len(finished), params=drawn.params)
        self._judge(trial, drawn.should_give_up)
        return True

    def _time_is_over(self) -> bool:
        began, most = self._search.started_at, self._settings.max_minutes
        return most is not None and began is not None and timezone.now() - began >= timedelta(minutes=most)

    def _examples(self) -> EventLog:
        """What the trials learn from: the project's examples, or a file in their place. Raises `Invalid`, `InvalidDocument`."""
        from engine.training.parquet_examples import ExampleFile

        name = self._settings.input_file
        return ExampleFile(example_file(name)) if name else event_log()

    def _judge(self, trial: Trial, should_give_up: Callable[[int, float | None], bool]) -> None:
        def on_rung(rung: int, value: float | None) -> bool:
            drop_broken_connection()
            services.trial_note_rung(trial=trial, rung=rung, value=value)
            return should_give_up(rung, value)

        try:
            document = with_values(self._search.model_version.document, trial.params)
            values, epochs = self._values(ModelDefinition.parse(document), on_rung)
        except GivenUp:
            self._note(trial, Trial.State.PRUNED)
        except InvalidDocument as error:
            # each value alone is right, but not these together: the search learns to leave them
            self._note(trial, Trial.State.FAILED, error=error.message[:MAX_ERROR_LENGTH])
        else:
            known = [value for value in values if value is not None]
            value = sum(known) / len(known) if known else None
            self._note(trial, Trial.State.COMPLETE, value, details={"seeds": values, "epochs": epochs})

    def _values(
        self, definition: ModelDefinition, on_rung: Callable[[int, float | None], bool]
    ) -> tuple[list[float | None], list[float | None]]:
        """The metric of each seed, and that of each epoch of the first, which alone may be given up."""
        from engine.training.epoch_plan import EpochPlan
        from engine.training.judging import Judge

        settings, stored = self._settings, self._search.plan
        starts, splits, ends = (
            {int(key): int(offset) for key, offset in stored[name].items()} for name in ("starts", "splits", "ends")
        )
        name = definition.watched(settings.metric, settings.task)
        values: list[float | None] = []
        epochs: list[float | None] = []
        for number in range(settings.num_seeds):
            judge = Judge(
                _seeded(definition, number),
                self._examples(),
                topics.examples(self._search.project.slug),
                EpochPlan(starts, splits, ends),
                clock=time.time,
                should_stop=self._should_stop,
                on_rung=on_rung if number == 0 else _go_on,
            )
            values.append(judge.value(settings.metric, settings.task))
            epochs = epochs or [epoch.values.get(name) for epoch in judge.epochs]
        return values, epochs

    def _note(
        self,
        trial: Trial,
        state: Trial.State,
        value: float | None = None,
        error: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        self._lease.fence()
        services.trial_finished(trial=trial, state=state, value=value, error=error, details=details)

    def _should_stop(self) -> bool:
        if self._look.is_due():
            drop_broken_connection()
            self._is_wanted = long_job_is_wanted(job=self._search)
        return not self._is_wanted or self._should_end() or self._lease.is_lost


def _go_on(_rung: int, _value: float | None) -> bool:
    return False


def _seeded(definition: ModelDefinition, number: int) -> ModelDefinition:
    """The definition itself, or the same with another seed."""
    if number == 0:
        return definition
    training = definition.training.model_copy(update={"seed": definition.training.seed + number})
    return definition.model_copy(update={"training": training})
