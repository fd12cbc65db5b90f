"""`evaluate time-split`, `ratings`, `leave-one-out` and `fixed-lists`: lists for users, on any files."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from engine.evaluation.factorisation import KINDS
from engine.evaluation.findings import Findings
from engine.evaluation.lists.plan import MODELS, POPULAR, ListPlan, Metrics, Schedule
from engine.evaluation.lists.reading import (
    RatingColumns,
    read_clicks,
    read_lines_of_items,
    read_pairs_with_negatives,
)
from engine.evaluation.lists.task import ListTask, leave_last_out, time_split
from engine.evaluation.replay.click_log import UNIT_MS
from engine.spec.architecture import ARCHITECTURES
from workers.evaluations.definitions import add_definition_argument, definition_from
from workers.evaluations.running import Bars, existing

BASELINES = (*POPULAR, "co-occurrence", *KINDS)


def add_time_split_arguments(parser: ArgumentParser) -> None:
    _add_columns(parser, user="user_id", item="item_id", time="timestamp", time_unit="ms")
    parser.add_argument("--rating", metavar="COLUMN", help="keep rows whose value here is at least --threshold")
    parser.add_argument("--threshold", type=float, default=4.0, help="for --rating (default 4)")
    parser.add_argument("--test-share", type=float, default=0.2, help="of the clicks, the last in time (default 0.2)")
    _add_shared_arguments(parser, lengths=[10, 20])


def add_ratings_arguments(parser: ArgumentParser) -> None:
    _add_columns(parser, user="user", item="item", time="timestamp", time_unit="s")
    parser.add_argument("--rating", default="rating", metavar="COLUMN", help="column of the rating (default rating)")
    parser.add_argument("--threshold", type=float, default=4.0, help="a rating from here on is a click (default 4)")
    parser.add_argument("--no-time", action="store_true", help="the file has no times; its order is taken for them")
    parser.add_argument(
        "--split",
        choices=["time", "last"],
        default="last",
        help="find the clicks of the last --test-share of time, or each user's last click (default last)",
    )
    parser.add_argument("--test-share", type=float, default=0.2, help="for --split time (default 0.2)")
    parser.add_argument("--negatives", type=int, help="with --split last: among so many drawn items, not among all")
    _add_shared_arguments(parser, lengths=[10, 20])


def add_leave_one_out_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="lines of `user item`")
    parser.add_argument("--test", type=Path, required=True, help="a line of `user item` for each user")
    parser.add_argument("--negatives", type=Path, required=True, help="a line of items for each line of --test")
    _add_shared_arguments(parser, lengths=[10])


def add_fixed_lists_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="a line of `user item item ...` for each user")
    parser.add_argument("--test", type=Path, required=True, help="the same, to be found")
    _add_shared_arguments(parser, lengths=[20])


def run_time_split(options: dict[str, Any], bars: Bars) -> Findings:
    clicks = read_clicks(existing(options["file"]), _columns(options), options["threshold"])
    return _run(time_split(clicks, _share(options)), options, ["hit_rate", "recall", "ndcg"], bars)


def run_ratings(options: dict[str, Any], bars: Bars) -> Findings:
    clicks = read_clicks(existing(options["file"]), _columns(options), options["threshold"])
    if options["split"] == "time":
        return _run(time_split(clicks, _share(options)), options, ["hit_rate", "recall", "ndcg"], bars)
    task = leave_last_out(clicks, options["negatives"], options["seeds"][0])
    return _run(task, options, ["hit_rate", "ndcg"], bars)


def run_leave_one_out(options: dict[str, Any], bars: Bars) -> Findings:
    paths = [existing(options[name]) for name in ("train", "test", "negatives")]
    return _run(read_pairs_with_negatives(*paths), options, ["hit_rate", "ndcg"], bars)


def run_fixed_lists(options: dict[str, Any], bars: Bars) -> Findings:
    task = read_lines_of_items(existing(options["train"]), existing(options["test"]))
    return _run(task, options, ["recall", "ndcg"], bars)


def _add_columns(parser: ArgumentParser, *, user: str, item: str, time: str, time_unit: str) -> None:
    parser.add_argument("file", type=Path, help="CSV or other text (.gz, .zst too) or Parquet")
    parser.add_argument("--user", default=user, metavar="COLUMN", help=f"column of the user (default {user})")
    parser.add_argument("--item", default=item, metavar="COLUMN", help=f"column of the item (default {item})")
    parser.add_argument("--time", default=time, metavar="COLUMN", help=f"column of the time (default {time})")
    parser.add_argument("--time-unit", choices=list(UNIT_MS), default=time_unit, help=f"default {time_unit}")
    parser.add_argument("--delimiter", help="between columns (default: as the first line looks)")
    parser.add_argument("--header", nargs="*", metavar="COLUMN", help="names for a text file that has none")


def _add_shared_arguments(parser: ArgumentParser, *, lengths: list[int]) -> None:
    kinds = list(ARCHITECTURES)
    parser.add_argument("--k", type=int, nargs="+", default=lengths, help="lengths of the lists")
    parser.add_argument(
        "--models", nargs="*", choices=kinds, default=list(MODELS), metavar="KIND", help=f"among {', '.join(kinds)}"
    )
    parser.add_argument("--baselines", nargs="*", choices=BASELINES, default=list(BASELINES), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[17], help="each model is trained once for each")
    parser.add_argument("--epochs", type=int, default=30, help="at most (default 30)")
    parser.add_argument("--patience", type=int, default=3, help="epochs without a gain on held-out clicks; 0: no stop")
    add_definition_argument(parser)


def _columns(options: dict[str, Any]) -> RatingColumns:
    return RatingColumns(
        user=options["user"],
        item=options["item"],
        rating=options["rating"],
        time=None if options.get("no_time") else options["time"],
        time_unit=options["time_unit"],
        delimiter=options["delimiter"],
        header=tuple(options["header"]) if options["header"] else None,
    )


def _share(options: dict[str, Any]) -> float:
    share: float = options["test_share"]
    if not 0 < share < 1:
        raise CommandError(f"--test-share must be above 0 and below 1 (received {share})")
    return share


def _run(task: ListTask, options: dict[str, Any], kinds: list[str], bars: Bars) -> Findings:
    from engine.evaluation.lists.evaluation import evaluate_lists

    plan = ListPlan(
        metrics=Metrics(kinds, options["k"]),
        models=options["models"],
        definition=definition_from(options),
        seeds=options["seeds"],
        schedule=Schedule(options["epochs"], options["patience"] or None),
        baselines=options["baselines"],
    )
    return evaluate_lists(task, plan, bars)
