"""Several epochs over the earlier examples, the last held out to tell when it is enough."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from engine.checkpoint.folder import newest_chain
from engine.spec.early_stopping import EarlyStopping
from engine.training.batch_job import BatchJob
from engine.training.epoch_plan import PLAN_FILE, EpochPlan, Offsets
from engine.training.progress import Progress
from engine.training.publication import Publication
from engine.training.state import CHECKPOINTS, TrainingState

BEST: Final = "best_epoch"
"""Below it lies the checkpoint of the best epoch, which has learned the examples held out too."""

MAX_HELD_OUT_SCORES: Final = 2**22
"""Of the scores of the examples held out, the newest so many count."""


class EpochTraining:
    """Learns in epochs until the definition's rule says that it is enough. Killed at any moment, it goes on from its own checkpoint.

    An epoch is judged by going on over the examples held out with a copy of its state: each is scored before that copy learns it, as
    online training would go on from there. The best epoch's copy is the result, so that it has learned every example to the end.
    """

    def __init__(self, job: BatchJob, rule: EarlyStopping, ends: Offsets) -> None:
        """Raises `CorruptRecord` for a damaged plan of the run that is resumed; such a plan's own ends count, not `ends`."""
        self._job = job
        self._rule = rule
        known = EpochPlan.load(job.directory)
        self.plan = known or EpochPlan.begin(self._starts(), ends, rule.fraction)
        if known is None:
            self.plan.save(job.directory)

    def _starts(self) -> Offsets:
        """The earliest examples, or where a checkpoint is that was made of another version's."""
        earliest = self._job.examples.earliest_offsets(self._job.topic)
        chain = newest_chain(self._job.directory / CHECKPOINTS)
        if chain is None:
            return earliest
        reached = Progress.from_json(chain[-1].meta["progress"]).examples
        return {partition: max(start, reached.get(partition, start)) for partition, start in earliest.items()}

    def run(self) -> TrainingState | None:
        """The state of the best epoch, or None when somebody asked to stop. Raises as `train_batch`."""
        while not self.plan.is_over(self._rule):
            if not self._epoch():
                return None
        return TrainingState.restore(self._job.definition, self._job.directory / BEST, wall_clock=self._job.clock)

    def clean_up(self) -> None:
        """Forget the epochs once their result is published."""
        (self._job.directory / PLAN_FILE).unlink(missing_ok=True)
        shutil.rmtree(self._job.directory / BEST, ignore_errors=True)

    def _epoch(self) -> bool:
        """Whether an epoch came to its end and was judged."""
        number = len(self.plan.results)
        state = TrainingState.restore_or_new(self._job.definition, self._job.directory, wall_clock=self._job.clock)
        if state.progress.epoch < number:
            state.progress.epoch, state.progress.examples, state.progress.joiner_epochs = number, {}, {}
        for partition, start in self.plan.starts.items():
            state.progress.examples.setdefault(partition, start)
        publication = self._job.publication(state)
        try:
            if not self._learn(state, publication):
                publication.checkpoint(always=True)
                return False
            publication.checkpoint(always=True)
        finally:
            publication.abandon()
        return self._judge()

    def _learn(self, state: TrainingState, publication: Publication) -> bool:
        return self._job.learn_until(
            state, self.plan.splits, publication, num_total=self._num_total, is_new=state.progress.epoch == 0
        )

    def _judge(self) -> bool:
        """Go on over the examples held out with a copy, from the checkpoint just written; keep it if it is the best."""
        directory, clock = self._job.directory, self._job.clock
        copy = TrainingState.restore(self._job.definition, directory, wall_clock=clock)
        copy.metrics = copy.metrics.emptied(min(MAX_HELD_OUT_SCORES, self._num_scores()))
        if not self._job.learn_until(copy, self.plan.ends, None, num_total=self._num_total):
            return False
        watched = self._job.definition.watched(self._rule.metric, self._rule.task)
        result = self.plan.judge(copy.metrics.values(), self._rule, watched)
        if result.is_best:
            self._keep(copy, directory / BEST)
        self.plan.results.append(result)
        self._job.fence()
        self.plan.save(directory)
        self._job.listeners.on_epoch(self.plan)
        return True

    def _keep(self, copy: TrainingState, directory: Path) -> None:
        copy.save(directory, int(self._job.clock() * 1000), self._job.fence)
        kept = sorted((directory / CHECKPOINTS).iterdir())
        for older in kept[:-1]:
            shutil.rmtree(older, ignore_errors=True)

    def _num_scores(self) -> int:
        """At most so many scores come of the examples held out: negatives are drawn for each that was no impression."""
        architecture = self._job.definition.architecture
        return max(1, self.plan.num_held_out * (2 + getattr(architecture, "num_negatives", 0)))

    @property
    def _num_total(self) -> int:
        return self._rule.max_epochs * self.plan.num_learned + self.plan.num_held_out
