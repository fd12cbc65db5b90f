"""`experiment collisions` and `experiment sync-interval`: the paper's experiments, on any labelled log."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError

from engine.evaluation.findings import Findings
from engine.evaluation.plots import plot_curves
from engine.evaluation.replay.click_log import UNIT_MS, ClickColumns, read_click_log
from workers.evaluations.replay import GLOBO_COLUMNS, GLOBO_FILE
from workers.evaluations.running import Bars, data_folder, existing, named

if TYPE_CHECKING:
    from engine.evaluation.paper.labelled import LabelledRows

MOVIELENS_FILE: Final = Path("ml-100k") / "u.data.gz"
MOVIELENS_HEADER: Final = ("user", "item", "rating", "timestamp")


def add_collisions_arguments(parser: ArgumentParser) -> None:
    _add_data_arguments(parser)
    parser.add_argument("--spaces", type=int, nargs="*", default=[], help="sizes to hash ids into (default: by load)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--test-share", type=float, default=0.1, help="of the rows, drawn by each seed (default 0.1)")


def add_sync_interval_arguments(parser: ArgumentParser) -> None:
    _add_data_arguments(parser)
    parser.add_argument("--shards", type=int, nargs="+", default=[10, 50, 100], help="parts of the stream")
    parser.add_argument("--batch-share", type=float, default=5 / 7, help="of the rows, before the stream (default 5/7)")


def run_collisions(options: dict[str, Any], bars: Bars) -> Findings:
    from engine.evaluation.paper.collisions import CollisionPlan, evaluate_collisions

    plan = CollisionPlan(
        spaces=options["spaces"],
        seeds=options["seeds"],
        num_epochs=options["epochs"],
        test_share=options["test_share"],
        dim=options["dim"],
        hidden=options["hidden"],
        batch_size=options["batch_size"],
    )
    findings = evaluate_collisions(_rows(options), plan, bars)
    curves: Any = findings.values["curves"]
    path = options["reports"] / f"{options['name']}.png"
    plot_curves(path, curves, title="Ids of their own, and hashed", across="epoch", upward="test AUC")
    return findings


def run_sync_interval(options: dict[str, Any], bars: Bars) -> Findings:
    from engine.evaluation.paper.sync_interval import SyncPlan, evaluate_sync_intervals

    plan = SyncPlan(
        shards=options["shards"],
        seeds=options["seeds"],
        batch_share=options["batch_share"],
        dim=options["dim"],
        hidden=options["hidden"],
        batch_size=options["batch_size"],
    )
    findings = evaluate_sync_intervals(_rows(options), plan, bars)
    curves: Any = findings.values["auc_by_shard"]
    path = options["reports"] / f"{options['name']}.png"
    across = f"part of the stream, of {min(plan.shards)}"
    plot_curves(path, curves, title="Online training, and the batch model", across=across, upward="AUC")
    return findings


def _add_data_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="default: MovieLens 100K of the data folder")
    form = parser.add_argument_group(
        "form of the file", "ratings (the default); or any table with --label; or clicks with --clicks or --globo"
    )
    form.add_argument("--label", metavar="COLUMN", help="of a table: positive above 0")
    form.add_argument("--ids", nargs="*", default=[], metavar="COLUMN", help="of a table: categories")
    form.add_argument("--numbers", nargs="*", default=[], metavar="COLUMN", help="of a table: numbers")
    form.add_argument("--clicks", action="store_true", help="a click log; negatives are drawn")
    form.add_argument("--globo", action="store_true", help="the Globo clicks of the data folder")
    form.add_argument("--first", type=int, metavar="N", help="of a click log: only the oldest N clicks")
    form.add_argument("--drawn", type=int, default=4, help="of a click log: negatives for each click (default 4)")
    form.add_argument("--user", default="user", metavar="COLUMN")
    form.add_argument("--item", default="item", metavar="COLUMN")
    form.add_argument("--rating", default="rating", metavar="COLUMN")
    form.add_argument("--threshold", type=float, default=3.5, help="a rating from here on is positive (default 3.5)")
    form.add_argument("--time", metavar="COLUMN", help="without one the file's order is taken for time")
    form.add_argument("--time-unit", choices=list(UNIT_MS), default="ms")
    form.add_argument("--context", nargs="*", default=[], metavar="COLUMN", help="of a click log")
    form.add_argument("--delimiter", help="between columns (default: tab for the default file, comma otherwise)")
    form.add_argument("--header", nargs="*", metavar="COLUMN", help="names for a file that has none")
    model = parser.add_argument_group("model", "a deepfm with Adagrad for the ids and Adam for the network")
    model.add_argument("--dim", type=int, default=16)
    model.add_argument("--hidden", type=int, nargs="*", default=[64, 32])
    model.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])


def _rows(options: dict[str, Any]) -> LabelledRows:
    from engine.evaluation.paper.reading import read_labelled, read_rated, with_drawn_negatives

    if options["globo"] or options["clicks"]:
        columns = GLOBO_COLUMNS if options["globo"] else _click_columns(options)
        path = options["file"] or (data_folder() / GLOBO_FILE if options["globo"] else None)
        if path is None:
            raise CommandError("--clicks needs a file")
        log = read_click_log(existing(path), columns)
        if options["first"] is not None:
            log = log.first(options["first"])
        return with_drawn_negatives(log, options["drawn"], options["seeds"][0])
    delimiter = options["delimiter"] or (",")
    header = tuple(options["header"]) if options["header"] else None
    if options["label"]:
        return read_labelled(
            _given(options),
            label=options["label"],
            ids=named(options["ids"]),
            numbers=named(options["numbers"]),
            time=options["time"],
            delimiter=delimiter,
            header=header,
        )
    if options["file"] is None:
        delimiter, header, options["time"] = "\t", MOVIELENS_HEADER, "timestamp"
    return read_rated(
        existing(options["file"] or data_folder() / MOVIELENS_FILE),
        user=options["user"],
        item=options["item"],
        rating=options["rating"],
        threshold=options["threshold"],
        time=options["time"],
        delimiter=delimiter,
        header=header,
    )


def _given(options: dict[str, Any]) -> Path:
    if options["file"] is None:
        raise CommandError("--label needs a file")
    return existing(options["file"])


def _click_columns(options: dict[str, Any]) -> ClickColumns:
    if options["time"] is None:
        raise CommandError("--clicks needs --time")
    return ClickColumns(
        user=options["user"],
        item=options["item"],
        time=options["time"],
        context=named(options["context"]),
        time_unit=options["time_unit"],
        delimiter=options["delimiter"] or ",",
        header=tuple(options["header"]) if options["header"] else None,
    )
