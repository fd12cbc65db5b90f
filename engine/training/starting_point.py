"""A first checkpoint from what another version of the model has learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.checkpoint.folder import newest_chain
from engine.errors import NoCheckpoint
from engine.spec.definition import ModelDefinition
from engine.spec.evolution import Types
from engine.training.evolution import EvolutionReport, evolve
from engine.training.state import CHECKPOINTS


def start_from(
    definition: ModelDefinition,
    source: Path,
    directory: Path,
    *,
    clock: Callable[[], float],
    fence: Callable[[], None] = lambda: None,
    old_types: Types | None = None,
    new_types: Types | None = None,
) -> EvolutionReport:
    """Write into `directory` the checkpoint that a run of `definition` goes on from: what `source`, another version's directory, has in
    its newest checkpoint, at the same offsets, as far as it fits.

    `old_types`, `new_types`: what the sources of each version are, by its schema. Raises `NoCheckpoint` when it has none, and as `evolve`.
    """
    chain = newest_chain(source / CHECKPOINTS)
    if chain is None:
        raise NoCheckpoint(f"{source.name} has no complete checkpoint to start from; train it first")
    evolved = evolve(definition, chain[-1].folder, wall_clock=clock, old_types=old_types, new_types=new_types)
    fence()
    evolved.state.save(directory, int(clock() * 1000), fence)
    return evolved.report
