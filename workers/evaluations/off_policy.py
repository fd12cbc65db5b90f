"""`evaluate off-policy`: logs that carry propensities."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from engine.evaluation.findings import Findings
from engine.evaluation.off_policy.log import ChoiceColumns, read_choices
from workers.evaluations.definitions import add_definition_argument, definition_from
from workers.evaluations.running import Bars, data_folder, existing, named

OPEN_BANDIT: Final = Path("open_bandit")


def add_off_policy_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="default: the Open Bandit sample of random choices")
    parser.add_argument("--other", type=Path, help="a log of the policy to estimate (default: the sample of bts)")
    parser.add_argument("--item", default="item_id")
    parser.add_argument("--reward", default="click")
    parser.add_argument("--propensity", default="propensity_score")
    parser.add_argument("--strata", nargs="*", default=["position"], help="columns that a choice depends on")
    parser.add_argument(
        "--features",
        nargs="*",
        default=["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"],
        help="columns that the model of the reward may know",
    )
    parser.add_argument("--delimiter", default=",")
    parser.add_argument("--epsilon", type=float, default=0.2, help="exploration of Freshet's greedy policy")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=17)
    add_definition_argument(parser)


def run_off_policy(options: dict[str, Any], bars: Bars) -> Findings:
    from engine.evaluation.off_policy.evaluation import OffPolicyPlan, evaluate_off_policy

    folder = data_folder() / OPEN_BANDIT
    paths = [existing(options["file"] or folder / "random_men.csv.gz")]
    if options["other"] is not None or options["file"] is None:
        paths.append(existing(options["other"] or folder / "bts_men.csv.gz"))
    columns = ChoiceColumns(
        item=options["item"],
        reward=options["reward"],
        propensity=options["propensity"],
        strata=named(options["strata"]),
        features=named(options["features"]),
        delimiter=options["delimiter"],
    )
    logs = read_choices(paths, columns)
    plan = OffPolicyPlan(
        seed=options["seed"],
        num_folds=options["folds"],
        epsilon=options["epsilon"],
        definition=definition_from(options),
    )
    return evaluate_off_policy(logs[0], logs[1] if len(logs) > 1 else None, plan, bars)
