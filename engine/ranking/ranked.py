"""What a ranking model says of candidates."""

from __future__ import annotations

from dataclasses import dataclass

from engine.features.encoded import FloatArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """Of n candidates: `scores` float32[n], the greater the better, and what they are made of, `by_task` float32[n, num_tasks].

    A binary task's column is its probability, a regression's its number in the property's unit (`engine.models.outputs`).
    """

    scores: FloatArray
    by_task: FloatArray


@dataclass(frozen=True, slots=True)
class Contributions:
    """`values` float32[n, num_inputs]: how much less each candidate's score would be without the input. `names`: slots, then dense inputs.

    Without means as if it were missing: a slot without values, whose embedding is zero; a number that is not there. What inputs add
    together is not the sum of what each adds.
    """

    names: list[str]
    values: FloatArray
