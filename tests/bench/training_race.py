"""Contestants of `make bench-training` taking turns on one stream, so that one computes at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.bench.criteo_like import Ids
from tests.bench.training_processes import Failed
from tests.bench.training_results import knowing_nothing

SEED = 17
WARM_PASSES = 2
"""The first compiles and makes rows, the second finds them."""
LEARNED = 0.99
"""Of the loss of knowing nothing: above, nothing was learned."""


class Asked(Protocol):
    """`training_processes.PeerProcess`, as far as a race needs it."""

    def ask(self, **command: Any) -> dict[str, Any]:
        """Raises Failed."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """`fill`: who makes rows as ids are met has them all before the first pass."""

    num_batches: int
    num_rounds: int
    fill: bool


@dataclass(slots=True)
class Outcome:
    """Of one stream, by contestant: a rate for each round, the mean loss of the last, the share of a step outside its compiled function."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    table_shares: dict[str, float] = field(default_factory=dict)
    loss_of_knowing_nothing: float = 0.0

    @property
    def unlearned(self) -> list[str]:
        return [name for name, loss in self.losses.items() if not loss < LEARNED * self.loss_of_knowing_nothing]


class Race:
    """Who fails is closed and named in `missing`, by name and reason, and has no rates on the stream where it did."""

    def __init__(self, peers: dict[str, Asked], missing: dict[str, str]) -> None:
        self._peers = peers
        self._missing = missing

    def run(self, ids: Ids, names: Sequence[str], pace: Pace) -> Outcome:
        """Raises AssertionError when two contestants were given different streams."""
        outcome = Outcome()
        streams = {}
        for name in names:
            command = {"ids": ids.value, "num_batches": pace.num_batches, "seed": SEED, "fill": pace.fill}
            answer = self._ask(name, do="prepare", **command)
            if answer is not None:
                streams[name] = answer["checksum"]
                outcome.loss_of_knowing_nothing = knowing_nothing(answer["click_rate"])
        assert len(set(streams.values())) <= 1, f"contestants met different streams: {streams}"
        answers = self._rounds(names, WARM_PASSES + pace.num_rounds)
        for name in self._present(names):
            self._conclude(outcome, name, answers[name])
        return outcome

    def _rounds(self, names: Sequence[str], num_rounds: int) -> dict[str, list[dict[str, Any]]]:
        """Who begins moves on by one each round, so that nobody always follows the same other."""
        answers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for number in range(num_rounds):
            first = number % len(names)
            for name in (*names[first:], *names[:first]):
                answer = self._ask(name, do="learn")
                if answer is not None:
                    answers[name].append(answer)
        return answers

    def _conclude(self, outcome: Outcome, name: str, answers: list[dict[str, Any]]) -> None:
        counted = answers[WARM_PASSES:]
        outcome.rates[name] = [each["num_examples"] / each["seconds"] for each in counted]
        if counted[-1]["mean_loss"] is not None:
            outcome.losses[name] = counted[-1]["mean_loss"]
        if "compiled_s" in counted[-1]["figures"]:
            before_s, after_s = (each["figures"]["compiled_s"] for each in (answers[WARM_PASSES - 1], answers[-1]))
            outcome.table_shares[name] = 1.0 - (after_s - before_s) / sum(each["seconds"] for each in counted)

    def _present(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self._peers]

    def _ask(self, name: str, **command: Any) -> dict[str, Any] | None:
        if name not in self._peers:
            return None
        try:
            return self._peers[name].ask(**command)
        except Failed as reason:
            self._missing[name] = str(reason)
            self._peers.pop(name).close()
            return None
