"""Checkpoints that people ask of a run: looked for once a second, begun, and said to be done."""

from __future__ import annotations

import logging
from typing import Protocol

from webapp.training.models import Run
from webapp.training.run_orders import order_done, order_taken, orders_open
from workers.pacing import Pace

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Saving(Protocol):
    """What is needed of `engine.training.publication.Publication`."""

    @property
    def num_checkpoints_written(self) -> int: ...

    @property
    def examples_saved(self) -> int: ...

    def ask_checkpoint(self) -> int: ...


class CheckpointOrders:
    """A run's. What an earlier attempt had begun when it died is begun again. Raises what the database does."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._look = Pace(LOOK_EVERY_S)
        self._saving: Saving | None = None
        self._begun: dict[int, int] = {}

    def follow(self, saving: Saving) -> None:
        """From now on this one saves the run's state."""
        self._saving = saving
        self._begun.clear()

    def turn(self) -> None:
        """Once between two batches."""
        if self._saving is None or not self._look.is_due():
            return
        for order in orders_open(run=self._run):
            if order.pk not in self._begun:
                self._begun[order.pk] = self._saving.ask_checkpoint()
                order_taken(order=order)
                logger.info("a checkpoint was asked for%s", f" by {order.asked_by}" if order.asked_by else "")
        for order_id, number in list(self._begun.items()):
            if self._saving.num_checkpoints_written >= number:
                self._done(order_id)
                del self._begun[order_id]

    def settle(self) -> None:
        """The run's state has been saved as it is: nothing that was asked for is open any more."""
        for order in orders_open(run=self._run):
            order_taken(order=order)
            self._done(order.pk)

    def _done(self, order_id: int) -> None:
        if self._saving is not None:
            order_done(order_id=order_id, num_examples=self._saving.examples_saved)
            logger.info("the checkpoint asked for has learned %s examples", f"{self._saving.examples_saved:,}")
