"""From logged examples to what one training step takes: encoded sides, pairs, labels and sampled negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.embedding.rows import NOT_SEEN
from engine.features.columns import (
    Columns,
    columns_for_items,
    columns_from_examples,
    columns_of_counters,
    pair_columns,
)
from engine.features.encoded import EncodedBatch, FloatArray
from engine.features.encoder import FeatureEncoder
from engine.features.statistics import RunningStatistics
from engine.models.inputs import StampArray
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side, side_of
from engine.spec.example import Example, Origin
from engine.spec.ranking import Ranking
from engine.spec.training_settings import LatePositives
from engine.training.draws import example_keys
from engine.training.frequency import FrequencyEstimates
from engine.training.item_catalogue import ItemCatalogue, RowArray
from engine.training.item_pool import ItemPool
from engine.training.logged import LoggedExamples
from engine.training.logged_draws import LoggedDraws, logged_draws
from engine.training.ranking_labels import (
    Flags,
    RowPairs,
    asking,
    is_ordered,
    ordered_pairs,
    positives,
    task_labels,
    user_numbers,
)

FILL_CANDIDATES = 256
"""A retrieval model's batch with fewer positives gets sampled candidates up to so many, so that a lone click learns something too."""


@dataclass(frozen=True, slots=True)
class RankingBatch:
    """p labelled pairs of a user row and an item row (int32[p]).

    labels float32[p, num_tasks] and known bool[p, num_tasks], where a label is known; sampling_rates float32[p, num_tasks]; weights
    float32[p]. `ordered` has int32[m, 2] by the name of each task with a pairwise or listwise loss: a positive's row and a negative's,
    as `ranking_labels.user_pairs` gives them.

    `is_sampled` bool[p] marks negatives that the trainer drew itself. `seen_at_s` has uint32[n] for the rows of each side: when
    each was seen; drawn rows are no sighting (`NOT_SEEN`). `kept` int64[n]: which of the logged examples each user row is.
    """

    user: EncodedBatch
    items: EncodedBatch
    user_rows: npt.NDArray[np.int32]
    item_rows: npt.NDArray[np.int32]
    labels: FloatArray
    known: Flags
    weights: FloatArray
    sampling_rates: FloatArray
    is_sampled: npt.NDArray[np.bool_]
    seen_at_s: dict[Side, StampArray]
    kept: RowArray
    pairs: EncodedBatch | None = None
    """p rows of what depends on user and item together; None where the definition has no such input."""
    ordered: dict[str, RowPairs] = field(default_factory=dict)
    corrects: Flags | None = None
    """bool[p]: rows whose positives were learned as negatives before; None: none, or nobody wants to know."""


@dataclass(frozen=True, slots=True)
class RetrievalBatch:
    """n users, each of whom acted on the item of the same row; items beyond n are drawn candidates.

    item_keys int64[c] (catalogue rows) and log_q float32[c] as `sampled_softmax` takes them; weights float32[n]. `seen_at_s` and
    `kept` as in `RankingBatch`.
    """

    user: EncodedBatch
    items: EncodedBatch
    item_keys: npt.NDArray[np.int64]
    log_q: FloatArray
    weights: FloatArray
    seen_at_s: dict[Side, StampArray]
    kept: RowArray


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Negatives by catalogue row, and which logged example asked for each, int64[m] both; how much likelier than a typical item each is
    to be drawn, float32[m], and its counters, as far as they were logged. `logged`: those among them that the joiner drew, the last.
    """

    askers: RowArray
    items: RowArray
    rates: FloatArray
    counters: list[Mapping[str, float]]
    logged: LoggedDraws


class BatchBuilder:
    """Builds batches for one definition, taking note of the items that pass by in the pool, the catalogue and the frequencies."""

    def __init__(
        self,
        definition: ModelDefinition,
        encoder: FeatureEncoder,
        catalogue: ItemCatalogue,
        pool: ItemPool,
        frequency: FrequencyEstimates,
    ) -> None:
        self._definition = definition
        self._encoder = encoder
        self._catalogue = catalogue
        self._pool = pool
        self._frequency = frequency
        self._tasks = definition.tasks
        self._event_type = definition.tasks[0].event_type
        self._is_ordered = any(is_ordered(task) for task in definition.tasks)
        self._user_sources = encoder.sources(Side.USER)
        self._item_sources = encoder.sources(Side.ITEM)
        self._reads_counters = any(source.startswith("counter.") for source in encoder.sources(Side.PAIR))

    def is_positive(self, example: Example) -> bool:
        """Whether the event of the first task followed."""
        return example.labels.get(self._event_type, 0.0) > 0.5

    def build(self, logged: LoggedExamples, seen_at_s: StampArray) -> RankingBatch | RetrievalBatch | None:
        """The batch to learn from, or None when no example carries a task's label. Call once for each example, in log order.

        `seen_at_s` uint32[n]: when each example's ids were seen, as `EventClock.stamps` says.
        """
        examples = logged.examples
        rows = self._catalogue.note((example.item_id, example.item) for example in examples)
        self._frequency.forget(self._catalogue.take_reused())
        labels, known = task_labels(self._tasks, examples)
        by_task = positives(self._tasks, labels)
        positive: Flags = np.any(by_task, axis=1)
        pushed_before = self._pool.push(rows[positive])
        self._frequency.observe(rows[positive])
        keys = example_keys(self._definition.training.seed, logged.partitions, logged.offsets)
        if is_retrieval(self._definition.architecture):
            return self._retrieval_batch(logged, seen_at_s, positive, pushed_before, keys, rows)
        is_action = np.fromiter((example.origin is Origin.ACTION for example in examples), np.bool_, len(examples))
        asks = asking(self._tasks, by_task, is_action)
        drawn = self._draw(examples, rows, positive, np.any(asks, axis=1), pushed_before, keys)
        return self._ranking_batch(logged, seen_at_s, labels, known, asks, rows, drawn)

    def _draw(  # noqa: PLR0917 - what `build` found out
        self,
        examples: list[Example],
        rows: RowArray,
        positive: Flags,
        asks: Flags,
        pushed_before: RowArray,
        keys: npt.NDArray[np.uint64],
    ) -> _Drawn:
        """Negatives of the examples that ask for them: the joiner's where the definition reads counters and they were logged, else from the
        items that were in the pool before each. Both for one example would not do: who has counters would tell who drew.
        """
        architecture = self._definition.architecture
        assert isinstance(architecture, Ranking)
        num_negatives = architecture.num_negatives
        logged = logged_draws(examples, asks, num_negatives, self._catalogue, wanted=self._reads_counters)
        draws = asks & ~logged.has
        askers = np.flatnonzero(draws)
        drawn, possible = self._pool.draw(pushed_before[draws[positive]], keys[askers], num_negatives)
        usable = possible[:, np.newaxis] & (drawn != rows[askers, np.newaxis])
        items = drawn[usable]
        unknown: list[Mapping[str, float]] = [{}] * items.size
        return _Drawn(
            np.concatenate([np.broadcast_to(askers[:, np.newaxis], drawn.shape)[usable], logged.askers]),
            np.concatenate([items, logged.items]),
            np.concatenate([self._draw_rates(items), logged.rates * np.float32(self._pool.effective_items())]),
            unknown + logged.counters,
            logged,
        )

    def _ranking_batch(  # noqa: PLR0917 - what `build` found out
        self,
        logged: LoggedExamples,
        seen_at_s: StampArray,
        labels: FloatArray,
        known: Flags,
        asks: Flags,
        rows: RowArray,
        drawn: _Drawn,
    ) -> RankingBatch | None:
        kept = np.flatnonzero(known.any(axis=1))
        if not kept.size:
            return None
        examples = [logged.examples[index] for index in kept]
        distinct, item_of_drawn = np.unique(drawn.items, return_inverse=True)
        user_of_drawn = np.searchsorted(kept, drawn.askers)
        num, num_drawn = kept.size, drawn.items.size
        user_rows = np.concatenate([np.arange(num), user_of_drawn]).astype(np.int32)
        item_rows = np.concatenate([np.arange(num), num + item_of_drawn.ravel()]).astype(np.int32)
        # A drawn row says no to the tasks for which its example asked, and nothing to the others.
        labels = np.concatenate([labels[kept], np.zeros((num_drawn, len(self._tasks)), np.float32)])
        known = np.concatenate([known[kept], asks[drawn.askers]])
        return RankingBatch(
            user=self._encode(examples, Side.USER),
            items=self._encode(examples, Side.ITEM, distinct),
            user_rows=user_rows,
            item_rows=item_rows,
            labels=labels,
            known=known,
            weights=np.array([example.weight for example in examples], np.float32)[user_rows],
            sampling_rates=np.concatenate([self._own_rates(examples, rows, asks, kept, drawn), self._rates_of(drawn)]),
            is_sampled=np.arange(num + num_drawn) >= num,
            seen_at_s=_stamped(seen_at_s[kept], distinct.size)
            | {Side.PAIR: _followed_by_unseen(seen_at_s[kept], num_drawn)},
            kept=kept,
            pairs=self._encode_pairs(examples, distinct, user_rows, item_rows, self._counters(examples, kept, drawn)),
            ordered=ordered_pairs(self._tasks, labels, known, user_numbers(examples)[user_rows])
            if self._is_ordered
            else {},
            corrects=self._corrects(examples, num_drawn),
        )

    def _corrects(self, examples: list[Example], num_drawn: int) -> Flags | None:
        if self._definition.training.late_positives is LatePositives.PLAIN:
            return None
        return np.array([example.corrects is not None for example in examples] + [False] * num_drawn, np.bool_)

    def _own_rates(
        self, examples: list[Example], rows: RowArray, asks: Flags, kept: RowArray, drawn: _Drawn
    ) -> FloatArray:
        """float32[n, num_tasks]: what was kept of such examples, times what was drawn of such items for the tasks that asked."""
        sampled = np.array([example.sampling_rate for example in examples], np.float32)
        logged = drawn.logged.own_rates[kept] * np.float32(self._pool.effective_items())
        rates = np.where(drawn.logged.has[kept], logged, self._draw_rates(rows[kept]))
        own: FloatArray = np.where(asks[kept], rates[:, np.newaxis], np.float32(1)) * sampled[:, np.newaxis]
        return own

    def _rates_of(self, drawn: _Drawn) -> FloatArray:
        return np.repeat(drawn.rates[:, np.newaxis], len(self._tasks), axis=1)

    @staticmethod
    def _counters(examples: list[Example], kept: RowArray, drawn: _Drawn) -> list[Mapping[str, float]]:
        """Those of each pair, the drawn ones last: as they were logged with an impression, or with an action and its negatives.

        Where nobody knows what they were for a drawn item, their presence would tell the label: the action goes without them too.
        """
        brings = drawn.logged.has[kept].tolist()
        own: list[Mapping[str, float]] = [
            example.counters if has or example.origin is Origin.IMPRESSION else {}
            for example, has in zip(examples, brings, strict=True)
        ]
        return own + drawn.counters

    def _encode_pairs(
        self,
        examples: list[Example],
        drawn: RowArray,
        user_rows: npt.NDArray[np.int32],
        item_rows: npt.NDArray[np.int32],
        counters: list[Mapping[str, float]],
    ) -> EncodedBatch | None:
        """The pairs' own inputs; `counters` has those of each."""
        if not self._encoder.has_pairs:
            return None
        sources = self._encoder.sources(Side.PAIR)
        user = columns_from_examples(examples, [source for source in sources if side_of(source) is Side.USER])
        items = self._item_columns(examples, drawn, sources)
        of_pairs = columns_of_counters(counters, [source for source in sources if source.startswith("counter.")])
        columns = pair_columns(user, items, user_rows, item_rows) | of_pairs
        return self._encoder.encode(columns, user_rows.size, Side.PAIR)

    def _draw_rates(self, rows: RowArray) -> FloatArray:
        """How much likelier than a typical item each row is to be drawn as a negative, float32[n].

        Negatives come by popularity, so uncorrected a model would learn how a user's odds differ from popularity, and rank without
        it. With k draws of probability q the sampled odds of a pair are p(item | user) / (k·q) (Gutmann and Hyvärinen, AISTATS 2010):
        k·q times the pool's effective number of items, 1 / Σq², is the rate that `corrected_cross_entropy` takes out again.
        """
        architecture = self._definition.architecture
        assert isinstance(architecture, Ranking)
        scale = architecture.num_negatives * self._pool.effective_items()
        rates: FloatArray = np.exp(self._frequency.log_probability(rows)) * np.float32(scale)
        return rates

    def _retrieval_batch(  # noqa: PLR0917 - what `build` found out
        self,
        logged: LoggedExamples,
        seen_at_s: StampArray,
        positive: npt.NDArray[np.bool_],
        pushed_before: RowArray,
        keys: npt.NDArray[np.uint64],
        rows: RowArray,
    ) -> RetrievalBatch | None:
        if not positive.any():
            return None
        examples = [logged.examples[index] for index in np.flatnonzero(positive)]
        missing = max(0, FILL_CANDIDATES - len(examples))
        drawn, possible = self._pool.draw(pushed_before[:1], keys[positive][:1], missing)
        extra = drawn[possible].ravel()
        candidates = np.concatenate([rows[positive], extra])
        architecture = self._definition.architecture
        corrected = is_retrieval(architecture) and architecture.log_q_correction
        log_q = self._frequency.log_probability(candidates) if corrected else np.zeros(candidates.size, np.float32)
        return RetrievalBatch(
            user=self._encode(examples, Side.USER),
            items=self._encode(examples, Side.ITEM, extra),
            item_keys=candidates,
            log_q=log_q,
            weights=np.array([example.weight for example in examples], np.float32),
            seen_at_s=_stamped(seen_at_s[positive], extra.size),
            kept=np.flatnonzero(positive),
        )

    def _encode(self, examples: list[Example], side: Side, drawn: RowArray | None = None) -> EncodedBatch:
        """One side of the examples; on the item side the drawn catalogue rows follow."""
        if side is Side.USER:
            return self._encoder.encode(columns_from_examples(examples, self._user_sources), len(examples), side)
        num_rows = len(examples) + (0 if drawn is None else drawn.size)
        return self._encoder.encode(self._item_columns(examples, drawn, self._item_sources), num_rows, side)

    def _item_columns(self, examples: list[Example], drawn: RowArray | None, sources: list[str]) -> Columns:
        rows = [] if drawn is None else drawn.tolist()
        ids = [example.item_id for example in examples] + self._catalogue.ids(rows)
        properties = [example.item for example in examples] + list(self._catalogue.properties(rows))
        return columns_for_items(ids, properties, sources)


def note_dense(statistics: RunningStatistics, batch: RankingBatch | RetrievalBatch) -> None:
    """Count the dense inputs of the examples themselves: an item that was only drawn has not been seen."""
    sides = {Side.USER: batch.user, Side.ITEM: batch.items}
    if isinstance(batch, RankingBatch) and batch.pairs is not None:
        sides[Side.PAIR] = batch.pairs
    for side, encoded in sides.items():
        statistics.observe(side, encoded.dense[batch.seen_at_s[side] != NOT_SEEN])


def _stamped(seen_at_s: StampArray, num_drawn: int) -> dict[Side, StampArray]:
    """Stamps of the rows of each side, of examples and then of drawn items. Nobody has seen those: a draw earns and keeps no row."""
    return {Side.USER: seen_at_s, Side.ITEM: _followed_by_unseen(seen_at_s, num_drawn)}


def _followed_by_unseen(seen_at_s: StampArray, num_drawn: int) -> StampArray:
    return np.concatenate([seen_at_s, np.full(num_drawn, NOT_SEEN, np.uint32)])
