"""`evaluate replay` and `evaluate globo`: a click log replayed in event order."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from engine.evaluation.factorisation import KINDS
from engine.evaluation.findings import Findings
from engine.evaluation.plots import plot_intervals
from engine.evaluation.replay.click_log import UNIT_MS, ClickColumns, read_click_log
from engine.evaluation.replay.moments import HOUR_MS
from engine.evaluation.replay.settings import CURVE_MS, RANKER_INPUTS, ReplayPlan, ReplaySettings
from workers.evaluations.definitions import add_definition_argument, definition_from
from workers.evaluations.running import Bars, data_folder, existing, named

GLOBO_FILE: Final = Path("globo_clicks") / "clicks_dev.csv.zst"
GLOBO_COLUMNS: Final = ClickColumns(
    user="user_id",
    item="click_article_id",
    time="click_timestamp",
    session="session_id",
    context=(
        "click_environment",
        "click_deviceGroup",
        "click_os",
        "click_country",
        "click_region",
        "click_referrer_type",
    ),
)


def add_replay_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="clicks: CSV, CSV.gz, CSV.zst or Parquet")
    parser.add_argument("--user", default="user_id", help="column of the user (default user_id)")
    parser.add_argument("--item", default="item_id", help="column of the item (default item_id)")
    parser.add_argument("--time", default="timestamp", help="column of the time (default timestamp)")
    parser.add_argument("--time-unit", choices=list(UNIT_MS), default="ms", help="of a time that is a number")
    parser.add_argument("--session", help="column of the session; without one a session ends after 30 idle minutes")
    parser.add_argument("--context", nargs="*", default=[], metavar="COLUMN", help="columns of the click's context")
    parser.add_argument("--delimiter", default=",", help="between the columns of a text file")
    parser.add_argument("--header", nargs="*", metavar="COLUMN", help="names for a text file that has none")
    _add_shared_arguments(parser)


def add_globo_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help=f"default: {GLOBO_FILE} in the data folder")
    _add_shared_arguments(parser)
    parser.set_defaults(curve=list(CURVE_MS), curve_inputs=list(RANKER_INPUTS))


def _add_shared_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--first", type=int, metavar="N", help="only the oldest N clicks")
    parser.add_argument("--share", type=float, default=0.05, help="of the clicks to predict (default 0.05)")
    parser.add_argument("--warmup-h", type=float, default=24.0, help="hours before the first prediction (default 24)")
    parser.add_argument("--refresh-s", type=float, default=60.0, help="lists are refreshed so often (default 60)")
    parser.add_argument("--train-share", type=float, default=0.25, help="of the clicks to learn from (default 0.25)")
    parser.add_argument("--negatives", type=int, default=50, help="candidates beside each clicked one (default 50)")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--no-pipeline", action="store_true", help="floors and batch models only")
    parser.add_argument("--batch-models", nargs="*", choices=KINDS, default=[], help="of implicit, fitted each day")
    parser.add_argument(
        "--curve", nargs="*", choices=list(CURVE_MS), default=[], help="sync intervals to compare (default: none)"
    )
    parser.add_argument("--curve-share", type=float, default=0.4, help="of the predicted clicks (default 0.4)")
    parser.add_argument(
        "--curve-inputs", nargs="*", choices=RANKER_INPUTS, default=["counters"], help="rankers of the curve"
    )
    add_definition_argument(parser)


def run_replay(options: dict[str, Any], bars: Bars) -> Findings:
    header = tuple(options["header"]) if options["header"] else None
    columns = ClickColumns(
        user=options["user"],
        item=options["item"],
        time=options["time"],
        session=options["session"],
        context=named(options["context"]),
        time_unit=options["time_unit"],
        delimiter=options["delimiter"],
        header=header,
    )
    return _run(existing(options["file"]), columns, options, bars)


def run_globo(options: dict[str, Any], bars: Bars) -> Findings:
    return _run(existing(options["file"] or data_folder() / GLOBO_FILE), GLOBO_COLUMNS, options, bars)


def _run(path: Path, columns: ClickColumns, options: dict[str, Any], bars: Bars) -> Findings:
    from engine.evaluation.replay.evaluation import evaluate_replay

    log = read_click_log(path, columns)
    if options["first"] is not None:
        log = log.first(options["first"])
    settings = ReplaySettings(
        refresh_ms=round(options["refresh_s"] * 1000),
        step_ms=round(options["refresh_s"] * 1000),
        warmup_ms=round(options["warmup_h"] * HOUR_MS),
        train_share=options["train_share"],
        num_negatives=options["negatives"],
        seed=options["seed"],
    )
    plan = ReplayPlan(
        settings=settings,
        share=options["share"],
        curve_share=options["curve_share"],
        definition=definition_from(options),
        curve=options["curve"],
        inputs=options["curve_inputs"],
        with_pipeline=not options["no_pipeline"],
        batch_models=options["batch_models"],
    )
    findings = evaluate_replay(log, plan, bars)
    if plan.curve:
        _plot(findings, plan, options)
    return findings


def _plot(findings: Findings, plan: ReplayPlan, options: dict[str, Any]) -> None:
    metric = "hit_rate_at_10"
    rows = {row.name: row.as_values() for row in findings.rows}
    series: dict[str, dict[str, tuple[float, float, float]]] = {
        f"ranker of {inputs}": {
            name: tuple(rows[f"{inputs}, {name}"][key] for key in (metric, f"{metric}_low", f"{metric}_high"))  # type: ignore[misc]
            for name in plan.curve
        }
        for inputs in plan.inputs
    }
    best = findings.values["best_floor"]
    path = options["reports"] / f"{options['name']}.png"
    plot_intervals(path, series, title=f"HR@10 by sync interval (best floor: {best})", upward="HR@10")
