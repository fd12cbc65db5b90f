"""Which charts a run's page has: their lines by the keys of the run's values, in groups, with units."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from engine.spec.architecture import kinds_of_retrieval
from webapp.training.models import Run

PHASES: Final = (
    ("read", "reading"),
    ("evaluate", "ranking before learning"),
    ("encode", "encoding"),
    ("lookup", "looking rows up"),
    ("dense", "network"),
    ("apply", "applying gradients"),
    ("observe", "metrics"),
    ("expire", "expiry"),
    ("publish", "publishing, saving"),
    ("report", "reporting"),
)
"""As `engine.training.step_times.PHASES`, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """`rate`: a count, drawn as its change each second."""

    key: str
    label: str
    rate: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """`form` is how numbers are written (`static/js/number_formats.js`), `unit` what they are in; `task` where it is of one of several."""

    title: str
    form: str
    lines: tuple[Line, ...]
    unit: str = ""
    about: str = ""
    task: str = ""
    from_zero: bool = False
    stacked: bool = False

    @property
    def keys(self) -> set[str]:
        return {line.key for line in self.lines}

    @property
    def series(self) -> list[dict[str, Any]]:
        """As `static/js/charts.js` takes them."""
        return [asdict(line) for line in self.lines]

    def of_task(self, task: str) -> Chart:
        """The same of one task's values."""
        lines = tuple(replace(line, key=f"tasks.{task}.{line.key}") for line in self.lines)
        return replace(self, task=task, lines=lines)

    def without(self, keys: Set[str]) -> Chart:
        return replace(self, lines=tuple(line for line in self.lines if line.key not in keys))


@dataclass(frozen=True, slots=True)
class Group:
    """Charts under one heading."""

    title: str
    charts: list[Chart]


def chart(title: str, form: str, *lines: tuple[str, str] | Line, **more: Any) -> Chart:
    """With lines as (key, label)."""
    return Chart(title, form, tuple(line if isinstance(line, Line) else Line(*line) for line in lines), **more)


ORDER: Final = (
    chart("AUC", "plain", ("auc", "all"), ("grouped_auc", "grouped by user"), unit="0.5 is chance, 1 is perfect"),
)
CALIBRATION: Final = chart("Calibration", "plain", ("calibration", "predicted over observed"), unit="1 is calibrated")
PROBABILITY: Final = (
    *ORDER,
    CALIBRATION,
    chart("Log loss", "plain", ("log_loss", "log loss"), unit="nats an example"),
    chart(
        "Normalised entropy",
        "plain",
        ("normalised_entropy", "log loss over the mean rate's"),
        unit="below 1 is better than the mean",
    ),
)
"""Of a task that predicts a probability; of the first one where the model has no other."""

NUMBER: Final = (
    chart("Error", "plain", ("mae", "mean, absolute"), ("rmse", "root mean square"), unit="in the label's unit"),
    chart("Error of logarithms", "plain", ("rmse_log", "root mean square of ln(1 + y)")),
    CALIBRATION,
)

_HITS: Final = chart(
    "HR@10",
    "share",
    ("hr_at_10", "online"),
    ("hr_at_10_frozen", "frozen at the start"),
    unit="share of clicks in the first 10",
    from_zero=True,
)
_LOSS: Final = chart("Loss", "plain", ("loss", "loss"), unit="weighted mean, before the update")
_LISTS: Final = (
    chart("NDCG@10", "share", ("ndcg_at_10", "NDCG@10"), from_zero=True),
    chart(
        "Coverage@10",
        "share",
        ("coverage_at_10", "of the catalogue"),
        unit="share of items in any list",
        from_zero=True,
    ),
)
_PACE: Final = chart("Examples per second", "rate", ("examples_per_s", "learned"), from_zero=True)
_SPEED: Final = (
    chart(
        "Step time split",
        "milliseconds",
        *((f"step_ms.{phase}", words) for phase, words in PHASES),
        unit="ms a step",
        stacked=True,
        about="Where the training thread spends a step. Waiting for examples, and compiling the first step, are left out.",
    ),
    _PACE,
    chart("Trainer busy", "share", ("busy_share", "not waiting for examples"), from_zero=True),
    chart("Examples waiting", "count", ("lag_records", "in the log"), unit="records", from_zero=True),
    chart("Publish interval", "seconds", ("publish_interval_s", "between deltas"), from_zero=True),
)
_TABLES: Final = (
    chart("Table rows", "count", ("table_rows", "rows"), ("num_candidates", "ids waiting for one"), from_zero=True),
    chart("Table bytes", "bytes", ("table_bytes", "rows"), ("candidate_bytes", "ids waiting"), from_zero=True),
    chart(
        "Admissions and expiries",
        "rate",
        Line("num_created", "rows admitted", rate=True),
        Line("num_expired", "expired", rate=True),
        Line("num_over_budget", "over the budget", rate=True),
        from_zero=True,
    ),
    chart("Sightings without a row", "rate", Line("num_turned_away", "not admitted yet", rate=True), from_zero=True),
)
_RATES: Final = chart(
    "Learning rate",
    "plain",
    ("learning_rate.sparse", "embedding rows"),
    ("learning_rate.dense", "network"),
    from_zero=True,
)

RETRIEVAL_HAS_NONE: Final = {"log_loss", "normalised_entropy", "calibration"}
"""A retrieval model's scores are no probabilities, so these curves would stay empty for ever."""

BATCH_HAS_NONE: Final = {"hr_at_10_frozen", "lag_records", "publish_interval_s"}
"""A batch run has an end, and publishes there."""


def chart_groups(run: Run, of_tasks: Iterable[Chart] = ()) -> list[Group]:
    """What the run can have curves of; `of_tasks` take the place of the first task's where there are several."""
    tasks = list(of_tasks)
    quality = [_HITS, _LOSS, *(tasks or PROBABILITY), *_LISTS]
    groups = [
        Group("Quality", quality),
        Group("Speed", list(_SPEED)),
        Group("Embedding table", list(_TABLES)),
        Group("Optimizers", [_RATES]),
    ]
    lacking = _lacking(run)
    return [
        Group(group.title, [one.without(lacking) for one in group.charts if not one.keys <= lacking])
        for group in groups
    ]


def comparable(runs: Iterable[Run]) -> list[Chart]:
    """Charts of one line each that runs are compared by."""
    lacking = set.intersection(*(_lacking(run) for run in runs), set(RETRIEVAL_HAS_NONE | BATCH_HAS_NONE))
    singles = [
        *(chart(one.title, one.form, ("auc", "AUC"), unit=one.unit) for one in ORDER),
        chart("AUC grouped by user", "plain", ("grouped_auc", "AUC by user"), unit="0.5 is chance, 1 is perfect"),
        chart("HR@10", "share", ("hr_at_10", "HR@10"), unit=_HITS.unit, from_zero=True),
        _LOSS,
        CALIBRATION,
        *PROBABILITY[2:],
        *_LISTS,
        _PACE,
        chart("Table rows", "count", ("table_rows", "rows"), from_zero=True),
        chart("Table bytes", "bytes", ("table_bytes", "bytes"), from_zero=True),
    ]
    return [one for one in singles if not one.keys <= lacking]


def _lacking(run: Run) -> set[str]:
    is_retrieval = run.model_version.document["architecture"]["kind"] in kinds_of_retrieval()
    return (RETRIEVAL_HAS_NONE if is_retrieval else set()) | (BATCH_HAS_NONE if run.mode == Run.Mode.BATCH else set())
