"""`manage.py experiment`: the experiments of Monolith's paper."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import EngineError
from workers.evaluations.paper import (
    add_collisions_arguments,
    add_sync_interval_arguments,
    run_collisions,
    run_sync_interval,
)
from workers.evaluations.running import Entry, run_reported

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
        experiments = parser.add_subparsers(dest="experiment", required=True, metavar="experiment")
        for name, entry in EXPERIMENTS.items():
            own = experiments.add_parser(name, help=entry.text, description=entry.text)
            own.add_argument("--name", help=f"the report is reports/<name>.json (default experiment-{name})")
            entry.add_arguments(own)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        name = options["experiment"]
        work = EXPERIMENTS[name].run
        try:
            report = options["name"] or f"experiment-{name}"
            run_reported(report, self.stdout, "rows", lambda bars: work(options, bars))
        except (EngineError, OSError) as error:
            raise CommandError(str(error)) from error
