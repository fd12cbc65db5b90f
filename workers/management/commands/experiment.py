"""`manage.py experiment`: the experiments of Monolith's paper."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from workers.evaluations.paper import (
    add_collisions_arguments,
    add_sync_interval_arguments,
    run_collisions,
    run_sync_interval,
)
from workers.evaluations.running import Entry, add_entries, run_entry

EXPERIMENTS: Final[dict[str, Entry]] = {
    "collisions": Entry(
        "ids of their own against ids hashed into a smaller space: test AUC by epoch, several seeds, a plot",
        add_collisions_arguments,
        run_collisions,
    ),
    "sync-interval": Entry(
        "batch training, then online training synced before each of N shards, against the batch model; a plot",
        add_sync_interval_arguments,
        run_sync_interval,
    ),
}


class Command(BaseCommand):
    help = (
        "Run an experiment of Monolith's paper on a labelled log. Prints a table, writes reports/experiment-<name>.json "
        "and a plot beside it. Needs no running system."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_entries(parser, EXPERIMENTS, "experiment", "experiment")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        run_entry(EXPERIMENTS[options["experiment"]], options, self.stdout)
