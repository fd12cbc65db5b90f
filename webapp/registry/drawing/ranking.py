"""Pictures of the architectures that score what was found, but those of experts and of attention over a history."""

from __future__ import annotations

from engine.spec.definition import DeepFM, ModelDefinition
from engine.spec.dense_weights import deep_slots
from engine.spec.ranking import DLRM, AutoInt, DCNv2, FactorizationMachine, LogisticRegression, WideDeep, XDeepFM
from webapp.registry.drawing.diagram import Diagram, Line
from webapp.registry.drawing.inputs import Inputs
from webapp.registry.drawing.parts import Parts


def logistic_regression(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    assert isinstance(definition.architecture, LogisticRegression)
    parts = Parts(diagram, definition)
    num_tasks = len(definition.tasks)
    total = diagram.add(
        "sum", "Sum of weights", "interaction", [Line("of each slot's ids", f"{num_tasks}")], inputs.all_slots()
    )
    sources, bias = [total], [Line("sum, and a bias"), parts.weights("first_order")]
    if definition.dense:
        linear = [Line(f"{definition.num_dense()} → {num_tasks}", "linear"), parts.weights("first_order")]
        sources.append(diagram.add("first_order", "Weights of numbers", "interaction", linear, inputs.all_numbers()))
        bias = [Line("sum of both")]
    parts.tasks([parts.logits(sources, *bias)])


def fm(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    assert isinstance(definition.architecture, FactorizationMachine)
    parts = Parts(diagram, definition)
    read = [*inputs.all_slots(), *inputs.all_numbers()]
    joined, width = parts.side_by_side(definition.slots, definition.num_dense(), read)
    terms = [parts.first_order(width, [joined]), _pairs(diagram, definition, parts, joined)]
    parts.tasks([parts.logits(terms, Line("sum of both"))])


def deepfm(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, DeepFM)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    terms = [parts.first_order(width, [joined]), _pairs(diagram, definition, parts, joined)]
    deep, last = parts.network("hidden", "Deep network", width, settings.hidden, [joined], prefix="hidden")
    parts.tasks([parts.logits([*terms, deep], parts.linear(last), Line("sum of the three"))])


def wide_deep(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, WideDeep)
    parts = Parts(diagram, definition)
    wide_slots = [slot for slot in definition.slots if slot.name in settings.wide_slots]
    remembered = inputs.slots("wide_slots", "Wide slots", wide_slots)
    numbers = inputs.all_numbers()
    slots = deep_slots(definition)
    deep_read = parts.senet(slots, inputs.all_slots(without=settings.wide_slots))
    lines = [Line(f"of {len(wide_slots)} slots", f"{len(definition.tasks)}")]
    lines += [Line("and linear in numbers" if numbers else "and a bias"), parts.weights("wide/")]
    wide = diagram.add("wide", "Sum of weights", "interaction", lines, [*remembered, *numbers])
    joined, width = parts.side_by_side(slots, definition.num_dense(), [*deep_read, *numbers])
    deep, last = parts.network("hidden", "Deep network", width, settings.hidden, [joined], prefix="hidden")
    parts.tasks([parts.logits([wide, deep], parts.linear(last), Line("sum of both"))])


def dcn_v2(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, DCNv2)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    lines = [Line("x₀ ⊙ (W x + b) + x"), Line("layers", f"{settings.num_cross_layers}")]
    lines.append(Line("W", f"{width:,} × {width:,}" if settings.rank is None else f"rank {settings.rank}"))
    if settings.num_experts > 1:
        lines.append(Line("experts, mixed by a gate", f"{settings.num_experts}"))
    cross = diagram.add("cross", "Cross layers", "interaction", [*lines, parts.weights("cross_")], [joined])
    below = cross if settings.structure == "stacked" else joined
    deep, last = parts.network("hidden", "Deep network", width, settings.hidden, [below], prefix="hidden")
    if settings.structure == "stacked":
        parts.tasks([parts.logits([deep], parts.linear(last))])
    else:
        parts.tasks([parts.logits([cross, deep], Line("side by side"), parts.linear(width + last))])


def xdeepfm(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, XDeepFM)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    num_slots = last = len(definition.slots)
    lines = []
    for maps in settings.cin:
        lines.append(Line(f"{last} × {num_slots} → {maps}", "maps", maps / max(settings.cin)))
        last = maps
    lines += [Line("summed over the dim", f"{sum(settings.cin)}"), parts.weights("cin_")]
    cin = diagram.add("cin", "Compressed interactions", "interaction", lines, [joined])
    deep, last = parts.network("hidden", "Deep network", width, settings.hidden, [joined], prefix="hidden")
    terms = [parts.first_order(width, [joined]), cin, deep]
    parts.tasks([parts.logits(terms, parts.linear(last), Line("sum of the three"))])


def autoint(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, AutoInt)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    fields = len(definition.slots) + definition.num_dense()
    out = settings.num_heads * settings.head_dim
    lines = [Line("fields", f"{fields} × {definition.slots[0].dim}"), Line("layers", f"{settings.num_layers}")]
    lines += [Line("heads", f"{settings.num_heads} of {settings.head_dim}"), Line("gives", f"{fields} × {out}")]
    attended = diagram.add(
        "attention",
        "Slots attend to each other",
        "interaction",
        [*lines, parts.weights("attention_", "numbers")],
        [joined],
    )
    deep, last = parts.network("hidden", "Deep network", width, settings.hidden, [joined], prefix="hidden")
    parts.tasks([parts.logits([attended, deep], parts.linear(last), Line("sum of both"))])


def dlrm(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, DLRM)
    parts = Parts(diagram, definition)
    vectors = parts.senet(definition.slots, inputs.all_slots())
    dim, num_vectors, num_dense = definition.slots[0].dim, len(definition.slots), definition.num_dense()
    bottom = []
    if num_dense:
        lines = parts.layers(num_dense, settings.bottom_hidden)
        last = settings.bottom_hidden[-1] if settings.bottom_hidden else num_dense
        lines += [Line(f"{last} → {dim}", "ReLU"), parts.weights("bottom")]
        bottom = [diagram.add("bottom", "Bottom network", "network", lines, inputs.all_numbers())]
        num_vectors += 1
    num_pairs = num_vectors * (num_vectors - 1) // 2
    lines = [Line("vectors", f"{num_vectors} × {dim}"), Line("dot products", f"{num_pairs:,}")]
    pairs = diagram.add("pairs", "All pairs", "interaction", lines, [*vectors, *bottom])
    width = num_pairs + (dim if num_dense else 0)
    top, last = parts.network("hidden", "Top network", width, settings.hidden, [pairs, *bottom], prefix="hidden")
    parts.tasks([parts.logits([top], parts.linear(last))])


def _joined(definition: ModelDefinition, inputs: Inputs, parts: Parts) -> tuple[str, int]:
    """All slots, through their gate where there is one, and all numbers side by side."""
    read = parts.senet(definition.slots, inputs.all_slots())
    return parts.side_by_side(definition.slots, definition.num_dense(), [*read, *inputs.all_numbers()])


def _pairs(diagram: Diagram, definition: ModelDefinition, parts: Parts, after: str) -> str:
    num = len(definition.slots)
    lines = [Line("dot products of slots", f"{num * (num - 1) // 2:,}")]
    if len(definition.tasks) > 1:
        lines.append(parts.weights("second_order"))
    return diagram.add("pairs", "Factorization machine", "interaction", lines, [after])
