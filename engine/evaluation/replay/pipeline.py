"""The whole pipeline in prequential replay: candidates from several sources, then a ranker that learns online.

Each moment's lists are made of what was known when it began; clicks that are predicted are ranked before anything is learned from
them, by copies of the model that are synced at intervals of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.embedding.rows import NOT_SEEN
from engine.evaluation.replay.candidates import candidates
from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.features import Asked, CandidateFeatures
from engine.evaluation.replay.following import Follower, PublishedModel
from engine.evaluation.replay.moments import Moment, moments
from engine.evaluation.replay.ranker import PairEncoder, Pairs, Places
from engine.evaluation.replay.settings import ReplaySettings
from engine.evaluation.replay.synced import Copy, Timetable
from engine.spec.definition import ModelDefinition, Side
from engine.streams.memory import MemoryLog
from engine.training.ranking_labels import ordered_pairs
from engine.training.state import TrainingState
from engine.training.training_batch import RankingBatch


@dataclass(frozen=True, slots=True)
class _Chosen:
    """p pairs of one moment: row of `asked` and column in play, int64[p]; their numbers float32[p, f]; is it the item clicked, bool[p]; is
    it learned from, bool[p]."""

    asked: Asked
    rows: Places
    columns: Places
    values: npt.NDArray[np.float32] | None
    is_target: npt.NDArray[np.bool_]
    is_learned: npt.NDArray[np.bool_]

    def part(self, mask: npt.NDArray[np.bool_]) -> _Chosen:
        values = None if self.values is None else self.values[mask]
        return _Chosen(
            self.asked, self.rows[mask], self.columns[mask], values, self.is_target[mask], self.is_learned[mask]
        )


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """By copy's name the rank (from 0) of every predicted click, int64[m]; how many had their item among the candidates."""

    ranks: dict[str, Places]
    num_recalled: int
    num_learned: int
    num_published_bytes: int


class Pipeline:
    """One replay of a log with one ranker."""

    def __init__(  # noqa: PLR0917 - one replay in full
        self,
        log: ClickLog,
        definition: ModelDefinition,
        features: CandidateFeatures,
        predicted: npt.NDArray[np.bool_],
        settings: ReplaySettings,
        snapshots: Path,
    ) -> None:
        self._log = log
        self._features = features
        self._predicted = predicted
        self._settings = settings
        self._learned = np.random.default_rng([settings.seed, 1]).random(len(log)) < settings.train_share
        self._rng = np.random.default_rng([settings.seed, 2])
        self._encoder = PairEncoder(definition, log, features)
        self._now_ms = 0
        self._state = TrainingState(definition, wall_clock=lambda: self._now_ms / 1000)
        params = MemoryLog()
        self._published = PublishedModel(self._state, params, self._clock_ms)
        self._dense_due_ms = 0
        start_ms = int(log.times_ms[0]) if len(log) else 0
        self.copies = [
            Copy(
                name,
                Follower(definition, params, snapshots, self._clock_ms),
                Timetable(interval_ms, start_ms + settings.warmup_ms),
                len(log),
            )
            for name, interval_ms in settings.intervals_ms.items()
        ]
        self.num_recalled = 0
        self.num_learned = 0

    def run(self, on_progress: Callable[[int], None] = lambda _: None) -> PipelineResult:
        for moment in moments(self._log, self._settings.refresh_ms):
            self._answer(moment)
            on_progress(moment.end - moment.start)
        for copy in self.copies:
            copy.flush()
        chosen = np.flatnonzero(self._predicted)
        ranks = {copy.name: copy.ranks[chosen] for copy in self.copies}
        return PipelineResult(ranks, self.num_recalled, self.num_learned, self._published.num_bytes)

    def _answer(self, moment: Moment) -> None:
        """Rank and then learn the clicks of one moment, step by step."""
        own = slice(moment.start, moment.end)
        clicks = moment.start + np.flatnonzero(self._predicted[own] | self._learned[own])
        if not clicks.size:
            return
        self._features.advance(moment)
        chosen = self._choose(self._features.asked(clicks))
        beats = self._log.times_ms[clicks] // self._settings.step_ms
        for beat in np.unique(beats).tolist():
            self._now_ms = beat * self._settings.step_ms
            for copy in self.copies:
                copy.sync(self._now_ms)
            part = chosen.part(beats[chosen.rows] == beat)
            self._rank(part.part(self._predicted[clicks][part.rows]))
            self._learn(part.part(part.is_learned))
            self._publish(moment.end)

    def _publish(self, num_clicks: int) -> None:
        with_dense = self._now_ms >= self._dense_due_ms
        self._published.publish(num_clicks, with_dense=with_dense)
        if with_dense:
            self._dense_due_ms = self._now_ms + self._settings.dense_interval_ms
        self._published.forget(min(copy.sequence for copy in self.copies))

    def _choose(self, asked: Asked) -> _Chosen:
        """All candidates of clicks that are predicted; of clicks that are learned from, the clicked one and a random part."""
        log, clicks = self._log, asked.clicks
        rows, columns = candidates(self._features, asked, self._settings.sources)
        is_target = self._features.active.items[columns] == log.items[clicks[rows]]
        share = self._settings.num_negatives / np.maximum(np.bincount(rows, minlength=clicks.size), 1)
        is_drawn = self._rng.random(rows.size) < share[rows]
        # A click whose item is no candidate says nothing about their order.
        is_teaching = self._learned[clicks] & (np.bincount(rows[is_target], minlength=clicks.size) > 0)
        is_learned = is_teaching[rows] & (is_target | is_drawn)
        kept = is_learned | self._predicted[clicks][rows]
        rows, columns = rows[kept], columns[kept]
        values = self._features.of_pairs(asked, rows, columns) if self._encoder.needs_counters else None
        return _Chosen(asked, rows, columns, values, is_target[kept], is_learned[kept])

    def _rank(self, chosen: _Chosen) -> None:
        if not chosen.rows.size:
            return
        pairs = self._encoder.encode(chosen.asked, chosen.rows, chosen.columns, chosen.values)
        self.num_recalled += int(pairs.is_target.sum())
        for copy in self.copies:
            copy.rank(pairs)

    def _learn(self, chosen: _Chosen) -> None:
        if not chosen.rows.size:
            return
        pairs = self._encoder.encode(chosen.asked, chosen.rows, chosen.columns, chosen.values)
        self.num_learned += pairs.clicks.size
        self._state.step.learn(ranking_batch(pairs, self._log, self._state.definition))

    def _clock_ms(self) -> int:
        return self._now_ms


def ranking_batch(pairs: Pairs, log: ClickLog, definition: ModelDefinition) -> RankingBatch:
    """Pairs as a training step takes them: the clicked items were seen, the other candidates are no sighting of theirs.

    Every task has the click for its label; one that compares a user's items compares those of one click.
    """
    shape = pairs.num_pairs, len(definition.tasks)
    labels = np.broadcast_to(pairs.is_target[:, np.newaxis], shape).astype(np.float32)
    known = np.ones(shape, np.bool_)
    clicked_s = (log.times_ms[pairs.clicks] // 1000).astype(np.uint32)
    item_seen_s = np.full(pairs.items.num_rows, NOT_SEEN, np.uint32)
    item_seen_s[pairs.item_rows[pairs.is_target]] = clicked_s[pairs.user_rows[pairs.is_target]]
    return RankingBatch(
        user=pairs.user,
        items=pairs.items,
        user_rows=pairs.user_rows,
        item_rows=pairs.item_rows,
        labels=labels,
        known=known,
        weights=np.ones(pairs.num_pairs, np.float32),
        sampling_rates=np.ones(shape, np.float32),
        is_sampled=~pairs.is_target,
        seen_at_s={Side.USER: clicked_s, Side.ITEM: item_seen_s, Side.PAIR: clicked_s[pairs.user_rows]},
        kept=np.arange(pairs.clicks.size),
        pairs=pairs.pairs,
        ordered=ordered_pairs(definition.tasks, labels, known, pairs.user_rows.astype(np.int64)),
    )
