"""From candidates to what the ranking model says of them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.features.counter_rows import Floats
from engine.ranking.ranked import Ranked
from engine.ranking.ranker import MAX_EXPLAINED
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Scores
from engine.serving.deadline import UsualTime
from engine.serving.degraded import Degraded
from engine.serving.gathered import Gathered
from engine.serving.pipeline_question import Question
from engine.serving.stages import RankingStage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates and, where a ranking model answered, what it says of each."""

    candidates: Gathered
    ranked: Ranked | None

    @property
    def scores(self) -> Scores:
        """float32[n]: the model's where it answered, else retrieval's."""
        return self.candidates.scores if self.ranked is None else self.ranked.scores

    def at(self, places: npt.NDArray[np.int64]) -> Scored:
        """Those at `places` int64[m], in that order."""
        ranked = self.ranked
        return Scored(
            self.candidates.at(places),
            None if ranked is None else Ranked(ranked.scores[places], ranked.by_task[places]),
        )


class Ranking:
    """The ranking of one deployment. From any thread. `stopwatch` in seconds."""

    def __init__(self, catalogue: Catalogue, stage: RankingStage | None, stopwatch: Callable[[], float]) -> None:
        self.stage = stage
        self._catalogue = catalogue
        self._stopwatch = stopwatch
        # By the order of magnitude of how many candidates there are.
        self._usual: defaultdict[int, UsualTime] = defaultdict(UsualTime)

    def rank(self, question: Question, candidates: Gathered) -> Scored:
        """By the model if it answers and there is time, else in retrieval's order, which the question's reasons then say."""
        stage = self.stage
        if stage is None or not len(candidates) or stage.role not in question.positions:
            return Scored(candidates, None)
        usual = self._usual[len(candidates).bit_length()]
        if not question.deadline.allows(usual.seconds):
            said = f"no time was left for ranking, which usually takes {1000 * usual.seconds:.1f} ms"
            question.reasons.add(Degraded.DEADLINE, said)
            usual.doubt()
            del question.positions[stage.role]
            return Scored(candidates, None)
        started_s = self._stopwatch()
        try:
            ranked = stage.ranker.rank(question.asker, candidates.rows, self._counters(question, candidates.rows))
        except Exception as error:
            # A model that fails must not take the answer with it, whatever it raised.
            logger.exception("ranking model %s failed", stage.model.title)
            said = error.message if isinstance(error, EngineError) else type(error).__name__
            question.reasons.add(Degraded.RANKING_FAILED, f"ranking model {stage.model.title} failed: {said}")
            del question.positions[stage.role]
            return Scored(candidates, None)
        usual.note(self._stopwatch() - started_s)
        if question.explanation is not None:
            question.explanation.tasks = stage.model.ref.definition.tasks
        return Scored(candidates, ranked)

    def explain(self, question: Question, rows: Rows) -> None:
        """What each input adds to the scores of `rows`, the first of them if there are many."""
        stage, explanation = self.stage, question.explanation
        if explanation is None or stage is None or stage.role not in question.positions or not rows.size:
            return
        asked = rows[:MAX_EXPLAINED]
        with explanation.timed("contributions"):
            values = self._counters(question, asked)
            explanation.contributions = stage.ranker.contributions(question.asker, asked, values)

    def _counters(self, question: Question, rows: Rows) -> dict[str, Floats]:
        if self.stage is None or not self.stage.ranker.reads_counters:
            return {}
        item_ids = self._catalogue.ids_of(rows)
        return question.counters.of_candidates(item_ids, self._catalogue.properties_of_rows(rows))
