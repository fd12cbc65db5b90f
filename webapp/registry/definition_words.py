"""What a model definition says, in words: what earns and loses an embedding its row, how rows learn, and what memory they take."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.dense_optimizer import DenseOptimizer
from engine.spec.initializer import Constant, Initializer, Uniform, Zeros
from engine.spec.learning_rate import ConstantRate, LearningRate
from engine.spec.retention import Evict, Retention
from engine.spec.score import FirstTask, ProductScore
from engine.spec.slot import Admission, AdmitMinCount, AdmitProbability, Expiry
from engine.spec.sparse_optimizer import SparseOptimizer
from webapp.registry.kind_titles import title_of

EVICTED_FIRST = {
    Evict.LEAST_RECENT: "rows unseen for longest go first",
    Evict.LEAST_OFTEN: "rows seen least often go first",
}
DEFAULT_RULES = "admitted on its 1st sighting; never expires"
_PERIODS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_BINARY_UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def period(seconds: int) -> str:
    """Whole seconds exactly, in days, hours, minutes and seconds: 5400 is "1 hour 30 minutes"."""
    words = []
    for size, unit in _PERIODS:
        number, seconds = divmod(seconds, size)
        if number:
            words.append(f"{number:,} {unit}{'s' if number > 1 else ''}")
    return " ".join(words) or "0 seconds"


def each(seconds: int) -> str:
    """A period after "every": "day", "7 days"."""
    words = period(seconds)
    return words.removeprefix("1 ") if words.count(" ") == 1 else words


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 1,000th."""
    last = number % 10 if number // 10 % 10 != 1 else 0
    return f"{number:,}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"


def admission_words(admission: Admission) -> str:
    if isinstance(admission, AdmitMinCount):
        fading = "" if admission.window_s is None else f", counts halving every {each(admission.window_s)}"
        return f"admitted on its {ordinal(admission.min_count)} sighting{fading}"
    if isinstance(admission, AdmitProbability):
        return f"admitted with a chance of {admission.probability * 100:.6g}% at each sighting"
    return "admitted on its 1st sighting"


def expiry_words(expiry: Expiry | None) -> str:
    return "never expires" if expiry is None else f"expires after {period(expiry.ttl_s)} unseen"


def slot_words(slot: Slot) -> str:
    """The slot's rules for its rows; of one that shares, whose rows they are."""
    if slot.shares is not None:
        return f"shares the rows of {slot.shares}"
    words = f"{admission_words(slot.admission)}; {expiry_words(slot.expiry)}"
    return words if slot.learning_rate_scale == 1.0 else f"{words}; learning rate times {slot.learning_rate_scale:g}"


def optimizer_words(optimizer: SparseOptimizer | DenseOptimizer) -> str:
    """Its name, its rate and its own settings: "Adagrad, learning rate 0.05, initial accumulator 0.1"."""
    words = [title_of(optimizer.kind), f"learning rate {rate_words(optimizer.learning_rate)}"]
    for name, value in optimizer.as_json().items():
        if name in ("kind", "learning_rate", "initializer") or value in (None, False, 0):
            continue
        title = name.replace("_", " ")
        words.append(title if value is True else f"{title} {value:g}")
    return ", ".join(words)


def rate_words(rate: LearningRate) -> str:
    """As "0.05 after rising over 100 steps, falling to 0.001 in 10,000 steps (cosine)"."""
    words = f"{rate.value:g}"
    if rate.warmup_steps:
        words += f" after rising over {rate.warmup_steps:,} steps"
    if not isinstance(rate, ConstantRate):
        words += f", falling to {rate.final:g} in {rate.decay_steps:,} steps ({rate.kind})"
    return words


def initializer_words(initializer: Initializer) -> str:
    if isinstance(initializer, Zeros):
        return "zeros"
    if isinstance(initializer, Constant):
        return f"all {initializer.scale:g}"
    if isinstance(initializer, Uniform):
        return f"uniform in ±{initializer.scale:g}"
    cut = ", cut at two of it" if initializer.kind == "truncated_normal" else ""
    return f"normal with standard deviation {initializer.scale:g}{cut}"


def retention_words(retention: Retention) -> str:
    if retention.max_table_bytes is None:
        return "no limit"
    return f"{binary_size(retention.max_table_bytes)}; {EVICTED_FIRST[retention.evict]}"


def score_words(definition: ModelDefinition) -> str:
    """What items are ranked by: "click", "click × dwell^0.3", "click - 5 · complaint"."""
    score = definition.score
    if isinstance(score, FirstTask):
        return definition.tasks[0].name
    if isinstance(score, ProductScore):
        return " × ".join(name if power == 1 else f"{name}^{power:g}" for name, power in score.weights.items())
    terms = [
        ("-" if factor < 0 else "+", name if abs(factor) == 1 else f"{abs(factor):g} · {name}")
        for name, factor in score.weights.items()
    ]
    return " ".join(part for term in terms for part in term).removeprefix("+ ")


def binary_size(num_bytes: int) -> str:
    """Exact where a binary unit divides it, as budgets are given: 2147483648 is "2 GiB"; else to four digits."""
    for size, unit in _BINARY_UNITS:
        if num_bytes >= size:
            return f"{num_bytes / size:.4g} {unit}"
    return f"{num_bytes} B"


def definition_words(document: Any) -> dict[str, Any]:
    """`slots` (words by slot name), `ruled` (those of slots with a rule of their own), `optimizer`, `network_optimizer`,
    `new_rows`, `memory`, `precision` and `score`; empty for what is no definition.
    """
    try:
        definition = ModelDefinition.parse(document)
    except InvalidDocument:
        return {}
    ruled = [slot for slot in definition.slots if slot_words(slot) != DEFAULT_RULES and slot.shares is None]
    return {
        "slots": {slot.name: slot_words(slot) for slot in definition.slots},
        "ruled": {slot.name: slot_words(slot) for slot in ruled},
        "optimizer": optimizer_words(definition.sparse_optimizer),
        "network_optimizer": optimizer_words(definition.dense_optimizer),
        "new_rows": initializer_words(definition.sparse_optimizer.initializer),
        "memory": retention_words(definition.retention),
        "precision": definition.serving.precision.value,
        "score": score_words(definition),
    }
