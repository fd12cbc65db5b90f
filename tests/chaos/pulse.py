"""How far the whole path has come, read again and again while anything of it may be dead."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connections

from engine.errors import LogError
from engine.streams import topics
from webapp.core.log import event_log
from webapp.serving.selectors import sync_status
from webapp.training.models import Run

LOOK_S = 0.25


@dataclass(frozen=True)
class Pulse:
    """Records of `examples`, how many of them the trainer has passed and how many examples it learned, and the sequences of the trainer
    and of the replica that is furthest behind.
    """

    num_logged: int
    num_passed: int
    num_trained: int
    trainer_sequence: int
    replica_sequence: int


def read_pulse(run: Run) -> Pulse | None:
    """None while it cannot be told: the database, the log or every replica is gone."""
    try:
        fresh = Run.objects.select_related("model_version__model__project").get(pk=run.pk)
        version = fresh.model_version
        num_logged = sum(event_log().end_offsets(topics.examples(version.model.project.slug)).values())
        status = sync_status(model_version=version, with_deltas=0)
    except (OperationalError, InterfaceError, LogError):
        connections.close_all()
        return None
    live = [replica["sequence"] for replica in status["replicas"] if replica["source"] == "live"]
    if not live:
        return None
    num_passed = sum(int(offset) for offset in fresh.end_offsets.values())
    return Pulse(num_logged, num_passed, fresh.num_examples, int(status["trainer"]["sequence"]), min(live))


def beats_again(run: Run, patience_s: float, *, clock: Callable[[], float] = time.monotonic) -> float | None:
    """Seconds until a record that nobody had written yet was trained, published and applied; None when patience ended first."""
    started = clock()
    seen: Pulse | None = None
    trained_at: int | None = None
    while clock() - started < patience_s:
        now = read_pulse(run)
        if now is not None:
            seen = seen or now
            if trained_at is None and now.num_passed > seen.num_logged:
                trained_at = now.trainer_sequence
            if trained_at is not None and now.replica_sequence > trained_at:
                return round(clock() - started, 2)
        time.sleep(LOOK_S)
    return None


def first_beat(run: Run, patience_s: float) -> Pulse:
    """The pulse of a path that is alive. Raises RuntimeError when there is none within patience."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = read_pulse(run)
        if found is not None and found.num_trained > 0 and found.replica_sequence > 0:
            return found
        time.sleep(LOOK_S)
    raise RuntimeError(f"nothing was trained, published and applied within {patience_s:g} s")
