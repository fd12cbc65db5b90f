"""What the processes of `make bench-engine` found: flat names for the report, tables for people."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.contestants import CONTESTANTS as IN_PYTHON
from tests.bench.engine_plan import CREATED, IN_CPP, LARGE_ROWS, MILLION, Run

Values = Mapping[str, float]
PYTHON_PREFIX = "python_"
PLAIN = "uniform_64k_1t"


def flat_names(run: Run, found: Values, main_rows: int) -> dict[str, float]:
    """`<contestant>_<figure>`, with `python_` before and `_with_adagrad`, `_100k`, `_1m`, `_50m` behind, where it applies."""
    before = PYTHON_PREFIX if run.measure == "python" else ""
    state = "_with_adagrad" if run.with_state else ""
    size = "" if run.num_rows == main_rows else f"_{size_name(run.num_rows)}"
    return {f"{before}{run.contestant}_{figure}{state}{size}": value for figure, value in found.items()}


def size_name(num_rows: int) -> str:
    return f"{num_rows // MILLION}m" if num_rows >= MILLION else f"{num_rows // 1000}k"


def documented(values: Values) -> dict[str, float]:
    """The keys that other programs read; those whose figures were not measured are left out.

    A ratio to another table is one share of the limit by the other, each taken beside the limit in its own process.
    """
    lookup, update = f"lookup_{PLAIN}_share_of_gather", f"adagrad_{PLAIN}_share_of_gather_and_write"
    wanted: dict[str, tuple[str, str | None]] = {
        "lookup_share_of_gather": (f"freshet_{lookup}", None),
        "lookup_2t_share_of_gather": ("freshet_lookup_uniform_64k_2t_share_of_gather", None),
        "adagrad_share_of_gather": (f"freshet_{update}_with_adagrad", None),
        "bytes_over_payload": ("freshet_resident_bytes_over_payload_with_adagrad", None),
        "serving_share_of_gather": (f"serving_float16_{lookup}", None),
        "serving_readers_kept": ("serving_float16_reader_beside_writer_kept", None),
        **{f"delta_{each}": (f"freshet_delta_{each}", None) for each in ("export_ms", "apply_ms", "readers_kept")},
        "checkpoint_training_kept": ("freshet_checkpoint_training_kept", None),
        "checkpoint_longest_step_ms": ("freshet_checkpoint_longest_step_ms", None),
        "unwritten_checkpoint_longest_step_ms": ("freshet_unwritten_checkpoint_longest_step_ms", None),
        "lookup_ratio_to_boost_inline": (f"freshet_{lookup}", f"boost_inline_{lookup}"),
        "lookup_ratio_to_cuckoo": (f"freshet_{lookup}", f"cuckoo_{lookup}"),
        "lookup_ratio_to_tfra_in_python": (f"python_freshet_{lookup}", f"python_tfra_{lookup}"),
        "adagrad_ratio_to_boost_inline": (f"freshet_{update}_with_adagrad", f"boost_inline_{update}_with_adagrad"),
        "adagrad_ratio_to_tfra_in_python": (f"python_freshet_{update}", f"python_tfra_{update}"),
    }
    found = {}
    for name, (one, other) in wanted.items():
        if one in values and (other is None or other in values):
            found[name] = round(values[one] / (1.0 if other is None else values[other]), 4)
    return found | _beside_the_best(values)


def _beside_the_best(values: Values) -> dict[str, float]:
    rates = {name: values.get(f"{name}_growth_keys_per_s") for name in IN_CPP}
    others = [rate for name, rate in rates.items() if rate is not None and not is_ours(name)]
    mine = rates["freshet"]
    if mine is None or not others:
        return {}
    return {"growth_ratio_to_best_library": round(mine / max(others), 4)}


def is_ours(contestant: str) -> bool:
    return contestant.startswith(("freshet", "serving"))


GOALS: tuple[tuple[str, str, str], ...] = (
    ("lookup_share_of_gather", "lookup, 1 thread: of the bare gather", "≥ 0.55"),
    ("lookup_2t_share_of_gather", "lookup, 2 threads: of the bare gather", "≥ 0.55"),
    ("lookup_ratio_to_boost_inline", "lookup: times boost inline", "≥ 1.4"),
    ("lookup_ratio_to_cuckoo", "lookup: times libcuckoo", "≥ 5"),
    ("lookup_ratio_to_tfra_in_python", "lookup from Python: times TFRA", "≥ 5"),
    ("serving_share_of_gather", "serving float16: of the bare gather", "≥ 0.62"),
    ("serving_readers_kept", "serving: kept by readers beside a writer", "≥ 0.9"),
    ("adagrad_share_of_gather", "Adagrad: of the bare gather-and-write", "≥ 0.50"),
    ("adagrad_ratio_to_boost_inline", "Adagrad: times boost inline", "≥ 1.3"),
    ("adagrad_ratio_to_tfra_in_python", "Adagrad from Python: times TFRA", "≥ 15"),
    ("growth_ratio_to_best_library", "growing: times the best library", "≥ 1"),
    ("freshet_growth_batch_max_ms", "growing: longest batch of 65,536, ms", "≤ 15"),
    ("freshet_created_growth_batch_max_ms", "the same by lookup_or_create, ms", "≤ 15"),
    ("bytes_over_payload", "memory: of the payload", "≤ 1.25"),
    ("freshet_peak_bytes_over_steady_with_adagrad", "memory while growing: of steady", "≤ 1.05"),
    ("delta_export_ms", "delta of 100,000 rows: exported in ms", "≤ 20"),
    ("delta_apply_ms", "delta of 100,000 rows: applied in ms", "≤ 20"),
    ("delta_readers_kept", "delta: kept by readers while it is applied", "≥ 0.8"),
    ("checkpoint_training_kept", "checkpoint: training keeps", "≥ 0.7"),
    ("checkpoint_longest_step_ms", "checkpoint: longest training step, ms", "≤ 20"),
    ("unwritten_checkpoint_longest_step_ms", "the same, the rows read and not written, ms", "≤ 20"),
)


def meets(goal: str, value: float) -> bool:
    """Whether a value is what the issue asks for."""
    sign, limit = goal.split()
    return value >= float(limit) if sign == "≥" else value <= float(limit)


def goal_rows(values: Values) -> list[list[str]]:
    rows = []
    for name, title, goal in GOALS:
        value = values.get(name)
        shown = "not measured" if value is None else f"{value:.2f}"
        rows.append([title, goal, shown, "" if value is None else ("yes" if meets(goal, value) else "no")])
    return rows


def lookup_rows(values: Values, *, suffix: str = "") -> list[list[str]]:
    """Million keys a second and, in brackets, the share of the limit; without accumulators unless `suffix` says so."""
    settings = [PLAIN, "uniform_64k_2t", "zipf_64k_1t", "zipf_64k_2t", "uniform_512_1t"]
    rows = []
    for name, listed in IN_CPP.items():
        if suffix and not listed.learns:
            continue
        cells = [_rate_and_share(values, f"{name}_lookup_{setting}", "gather", suffix) for setting in settings]
        absent = _million(values.get(f"{name}_lookup_absent_64k_1t_keys_per_s{suffix}"))
        rows.append([listed.title, *cells, absent])
    gather = [_million(_limit(values, f"gather_{setting}_keys_per_s", suffix)) for setting in settings]
    return [["bare gather, 64-byte rows", *gather, ""], *rows]


LOOKUP_HEAD = ["lookups, M/s (of gather)", "uniform 1t", "2t", "Zipf 1t", "2t", "512, 1t", "absent 1t"]


def update_rows(values: Values) -> list[list[str]]:
    settings = [PLAIN, "uniform_64k_2t", "zipf_64k_1t", "zipf_64k_2t"]
    suffix, limit = "_with_adagrad", "gather_and_write"
    rows = [
        [listed.title, *(_rate_and_share(values, f"{name}_adagrad_{each}", limit, suffix) for each in settings)]
        for name, listed in IN_CPP.items()
        if listed.learns
    ]
    bare = [_million(_limit(values, f"{limit}_{setting}_keys_per_s", suffix)) for setting in settings]
    return [["bare gather-and-write, 128-byte rows", *bare], *rows]


UPDATE_HEAD = ["Adagrad, M/s (of gather-and-write)", "uniform 1t", "2t", "Zipf 1t", "2t"]


def growth_rows(values: Values) -> list[list[str]]:
    rows = []
    titles = {name: listed.title for name, listed in IN_CPP.items()}
    for name, title in (titles | {CREATED: "Freshet Table, lookup_or_create"}).items():
        cells = [_million(values.get(f"{name}_growth_keys_per_s"))]
        cells += [_number(values.get(f"{name}_growth_batch_{which}_ms"), 1) for which in ("p50", "max")]
        cells += [_number(values.get(f"{name}_resident_bytes_over_payload{size}")) for size in ("_100k", "_1m", "")]
        cells.append(_number(values.get(f"{name}_resident_bytes_over_payload_with_adagrad")))
        cells.append(_number(values.get(f"{name}_peak_bytes_over_steady")))
        rows.append([title, *cells])
    return rows


GROWTH_HEAD = [
    "growing, warm pages", "M keys/s", "64k p50 ms", "max ms",
    "bytes/payload 100 k", "1 M", "all", "with Adagrad", "peak/steady",
]  # fmt: skip


def python_rows(values: Values) -> list[list[str]]:
    rows = []
    for name, listed in IN_PYTHON.items():
        start = f"{PYTHON_PREFIX}{name}"
        cells = [_rate_and_share(values, f"{start}_lookup_{each}", "gather", "") for each in (PLAIN, "uniform_64k_2t")]
        cells += [
            _rate_and_share(values, f"{start}_adagrad_{each}", "gather_and_write", "")
            for each in (PLAIN, "uniform_64k_2t")
        ]
        cells.append(_million(values.get(f"{start}_cold_growth_keys_per_s")))
        cells.append(_number(values.get(f"{start}_cold_growth_batch_max_ms"), 0))
        cells.append(_number(values.get(f"{start}_resident_bytes_per_row_learning"), 0))
        rows.append([listed.title, *cells])
    return rows


PYTHON_HEAD = [
    "from Python, M/s", "lookup 1t", "2t", "Adagrad 1t", "2t", "growing, cold", "64k max ms", "bytes/row learning",
]  # fmt: skip


def large_rows(values: Values) -> list[list[str]]:
    suffix = f"_{size_name(LARGE_ROWS)}"
    return [
        [
            listed.title,
            *(_rate_and_share(values, f"{name}_lookup_{each}", "gather", suffix) for each in (PLAIN, "uniform_64k_2t")),
            _million(values.get(f"{name}_growth_keys_per_s{suffix}")),
            _number(values.get(f"{name}_growth_batch_max_ms{suffix}"), 1),
        ]
        for name, listed in IN_CPP.items()
        if listed.at_50m
    ]


LARGE_HEAD = ["50 M rows, M/s (of gather)", "uniform 1t", "2t", "growing", "64k max ms"]


def _limit(values: Values, ending: str, suffix: str) -> float | None:
    """The fastest that any process saw the limit: what the machine can do when nothing is in its way."""
    found = [values[name] for each in IN_CPP if (name := f"{each}_{ending}{suffix}") in values]
    return max(found, default=None)


def _rate_and_share(values: Values, start: str, limit: str, suffix: str) -> str:
    rate = values.get(f"{start}_keys_per_s{suffix}")
    share = values.get(f"{start}_share_of_{limit}{suffix}")
    return "" if rate is None or share is None else f"{rate / 1e6:.1f} ({share:.2f})"


def _million(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.1f}"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
