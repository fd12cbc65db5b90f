"""What each step of reranking did, for whoever asks for an explanation."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ranking.reranking.pool import Mask, Scores


@dataclass(frozen=True, slots=True)
class Note:
    """`stage` did something to the candidate at `place` of the pool: `why`."""

    stage: str
    place: int
    why: str


@dataclass(slots=True)
class Trace:
    """Collected only when a request asks for it. `scores` has, for every stage that changed some, all of them after it, float32[n]."""

    notes: list[Note] = field(default_factory=list)
    scores: dict[str, Scores] = field(default_factory=dict)

    def note(self, stage: str, place: int, why: str) -> None:
        self.notes.append(Note(stage, place, why))

    def note_all(self, stage: str, mask: Mask, why: str) -> None:
        """The same of every candidate of `mask` bool[n]."""
        self.notes.extend(Note(stage, place, why) for place in mask.nonzero()[0].tolist())

    def scored(self, stage: str, scores: Scores) -> None:
        """`scores` float32[n] are what the candidates have after this stage."""
        self.scores[stage] = scores.copy()
