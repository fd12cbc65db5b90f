"""`manage.py evaluate`: how good predictions are, by a protocol, beside baselines."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from workers.evaluations.lists import (
    add_fixed_lists_arguments,
    add_leave_one_out_arguments,
    add_ratings_arguments,
    add_time_split_arguments,
    run_fixed_lists,
    run_leave_one_out,
    run_ratings,
    run_time_split,
)
from workers.evaluations.off_policy import add_off_policy_arguments, run_off_policy
from workers.evaluations.replay import add_globo_arguments, add_replay_arguments, run_globo, run_replay
from workers.evaluations.running import Entry, add_entries, run_entry

PROTOCOLS: Final[dict[str, Entry]] = {
    "time-split": Entry(
        "learn from the clicks before a moment, find those after it, over all items",
        add_time_split_arguments,
        run_time_split,
    ),
    "replay": Entry(
        "a click log in event order: each click is predicted from the past only, over the whole catalogue",
        add_replay_arguments,
        run_replay,
    ),
    "globo": Entry(
        "the Globo clicks of the data folder, replayed: floors, pipeline, sync intervals",
        add_globo_arguments,
        run_globo,
    ),
    "leave-one-out": Entry(
        "each user's item among given negatives: HR@k and NDCG@k (files as NCF has them)",
        add_leave_one_out_arguments,
        run_leave_one_out,
    ),
    "fixed-lists": Entry(
        "given lists of items a user, to learn from and to find: recall@k and NDCG@k (files as LightGCN has them)",
        add_fixed_lists_arguments,
        run_fixed_lists,
    ),
    "ratings": Entry(
        "a rating file as clicks from a threshold on, split in time or at each user's last click",
        add_ratings_arguments,
        run_ratings,
    ),
    "off-policy": Entry(
        "a log with propensities: what other policies would have earned, by IPS, self-normalised IPS and doubly robust",
        add_off_policy_arguments,
        run_off_policy,
    ),
}


class Command(BaseCommand):
    help = (
        "Evaluate models and baselines by a protocol, on any files. Prints a table with confidence intervals and writes "
        "reports/evaluate-<protocol>.json. Needs no running system."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_entries(parser, PROTOCOLS, "protocol", "evaluate")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        run_entry(PROTOCOLS[options["protocol"]], options, self.stdout)
