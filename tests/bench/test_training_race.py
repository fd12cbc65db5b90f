"""Contestants of `make bench-training`: what passes between the processes, and who counts."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.bench.criteo_like import Batch, Ids
from tests.bench.training_peer import Served
from tests.bench.training_processes import Failed, PeerProcess
from tests.bench.training_race import WARM_PASSES, Pace, Race
from tests.bench.training_setting import BATCH, Learner

PREPARE = {"do": "prepare", "ids": "zipf", "num_batches": 2, "seed": 1, "fill": True}
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


class Counting(Learner):
    """Answers how often it has learned as the loss."""

    def __init__(self, ids: Ids) -> None:
        self.filled: list[Ids] = []
        self.made_for = ids
        self.num = 0

    def prepared(self, batch: Batch) -> Batch:
        assert self.filled == [self.made_for]
        return batch

    def learn(self, prepared: Batch) -> float:
        assert len(prepared.labels) == BATCH
        self.num += 1
        return float(self.num)

    def fill(self, ids: Ids) -> None:
        self.filled.append(ids)

    def figures(self) -> dict[str, float]:
        return {"num": self.num}


def test_a_pass_is_answered_by_its_time_and_mean_loss() -> None:
    served = Served(Counting, clock=iter([10.0, 10.5, 20.0, 21.0]).__next__)
    commands = [PREPARE, {"do": "learn"}, {"do": "learn"}]
    prepared, first, second = served.answers(map(json.dumps, commands))
    assert 0.0 < prepared["click_rate"] < 1.0
    assert first == {"num_examples": 2 * BATCH, "seconds": 0.5, "mean_loss": 1.5, "figures": {"num": 2}}
    assert second == {"num_examples": 2 * BATCH, "seconds": 1.0, "mean_loss": 3.5, "figures": {"num": 4}}


def test_another_stream_is_met_by_a_fresh_learner() -> None:
    commands = [PREPARE, {"do": "learn"}, PREPARE | {"ids": "uniform"}, {"do": "learn"}]
    zipf, _, uniform, learned = Served(Counting).answers(map(json.dumps, commands))
    assert zipf["checksum"] != uniform["checksum"]
    assert learned["figures"] == {"num": 2}


@pytest.mark.parametrize(("command", "reason"), [({"do": "rest"}, "rest"), ({"do": "learn"}, "must follow prepare")])
def test_a_command_that_cannot_be_followed_is_refused(command: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(Served(Counting).answers([json.dumps(command)]))


def test_a_process_answers_line_by_line_until_it_is_closed() -> None:
    with PeerProcess([sys.executable, "-c", ECHO], 20.0) as peer:
        assert peer.ask(do="learn") == {"do": "learn"}
        assert peer.ask(do="prepare", seed=3) == {"do": "prepare", "seed": 3}
    peer.close()  # again


@pytest.mark.parametrize(
    ("program", "patience_s", "reason"),
    [
        ("import sys; input(); sys.exit('first\\nno such wheel')", 20.0, "no such wheel"),
        ("input(); raise SystemExit(7)", 20.0, "status 7"),
        ("for _ in iter(input, 'end'): pass", 0.2, r"within 0\.2 s"),
    ],
)
def test_a_process_that_gives_no_answer_says_why(program: str, patience_s: float, reason: str) -> None:
    with PeerProcess([sys.executable, "-c", program], patience_s) as peer, pytest.raises(Failed, match=reason):
        peer.ask(do="learn")


class Scripted:
    """A peer in this process, which takes `seconds` for each pass and fails in the round told."""

    def __init__(self, seconds: float, loss: float = 0.1, fails_in: int | None = None, checksum: int = 5) -> None:
        self.seconds, self.loss, self.fails_in, self.checksum = seconds, loss, fails_in, checksum
        self.num, self.is_closed = 0, False

    def ask(self, **command: Any) -> dict[str, Any]:
        if command["do"] == "prepare":
            return {"checksum": self.checksum, "click_rate": 0.5}
        if self.num == self.fails_in:
            raise Failed("out of memory")
        self.num += 1
        figures = {"compiled_s": 0.75 * self.seconds * self.num}
        return {"num_examples": 100, "seconds": self.seconds, "mean_loss": self.loss, "figures": figures}

    def close(self) -> None:
        self.is_closed = True


def test_rates_are_of_the_rounds_after_the_warm_ones() -> None:
    peer = Scripted(0.5)
    outcome = Race({"a": peer}, {}).run(Ids.ZIPF, ["a"], Pace(1, 3, fill=False))
    assert outcome.rates == {"a": [200.0] * 3}
    assert peer.num == WARM_PASSES + 3
    assert outcome.table_shares["a"] == pytest.approx(0.25)  # a quarter of each pass was not in the compiled function


def test_who_fails_half_way_is_missing_with_its_reason_and_the_others_go_on() -> None:
    broken = Scripted(1.0, fails_in=3)
    missing: dict[str, str] = {}
    race = Race({"a": Scripted(0.5), "b": broken}, missing)
    outcome = race.run(Ids.ZIPF, ["a", "b"], Pace(1, 3, fill=False))
    assert missing == {"b": "out of memory"}
    assert broken.is_closed
    assert set(outcome.rates) == {"a"}


def test_who_knows_no_more_than_the_click_rate_has_not_learned() -> None:
    peers = {"a": Scripted(1.0, loss=0.6), "b": Scripted(1.0, loss=0.693), "c": Scripted(1.0, loss=float("nan"))}
    assert Race(dict(peers), {}).run(Ids.ZIPF, list(peers), Pace(1, 1, fill=False)).unlearned == ["b", "c"]


def test_contestants_that_met_different_streams_are_not_compared() -> None:
    race = Race({"a": Scripted(1.0), "b": Scripted(1.0, checksum=6)}, {})
    with pytest.raises(AssertionError, match="different streams"):
        race.run(Ids.ZIPF, ["a", "b"], Pace(1, 1, fill=False))
