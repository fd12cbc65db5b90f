"""Pictures of the architectures that find items in the whole catalogue: a vector of each side, and their dot product."""

from __future__ import annotations

from engine.spec.definition import ModelDefinition, Side, TwoTower
from engine.spec.dense_weights import side_width
from engine.spec.retrieval import MatrixFactorisation, Retrieval, RetrievalLoss, SASRec
from webapp.registry.drawing.diagram import Diagram, Line
from webapp.registry.drawing.inputs import Inputs
from webapp.registry.drawing.parts import Parts

_NAMES = {Side.USER: "User", Side.ITEM: "Item"}


def two_tower(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, TwoTower)
    parts = Parts(diagram, definition)
    vectors = []
    for side in (Side.USER, Side.ITEM):
        width = side_width(definition, side)
        lines = [Line("side by side", f"{width:,}"), *parts.layers(width, settings.hidden)]
        last = settings.hidden[-1] if settings.hidden else width
        lines += [Line(f"{last:,} → {settings.output_dim:,}", "linear"), parts.weights(f"{side.value}_")]
        tower = diagram.add(f"{side.value}_tower", f"{_NAMES[side]} tower", "network", lines, inputs.of_side(side))
        vectors.append(_vector(diagram, side, settings.output_dim, "unit length", tower))
    _meet(diagram, definition, settings, vectors, "Cosine")


def matrix_factorisation(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, MatrixFactorisation)
    parts = Parts(diagram, definition)
    vectors = []
    for side in (Side.USER, Side.ITEM):
        lines = [Line(f"of {len(definition.slots_of(side))} slots", f"{settings.output_dim:,}")]
        if num := definition.num_dense(side):
            lines += [Line(f"{num} → {settings.output_dim}", "linear"), parts.weights(f"{side.value}_dense")]
        total = diagram.add(f"{side.value}_sum", "Sum", "interaction", lines, inputs.of_side(side))
        last = "½ for the bias" if side is Side.USER else "the last is the bias"
        vectors.append(_vector(diagram, side, settings.output_dim, last, total))
    _meet(diagram, definition, settings, vectors, "Dot product")


def sasrec(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, SASRec)
    parts = Parts(diagram, definition)
    slots = {slot.name: slot for slot in definition.slots}
    names = [settings.sequence_slot, *settings.context_slots]
    dim, length = slots[names[0]].dim, slots[names[0]].max_values
    read = inputs.slots("sequence", "Sequence", [slots[name] for name in names])
    summed = [
        Line("sum, × √dim", f"{length} × {dim}"),
        Line("learned positions", f"{length} × {dim}"),
        parts.weights("positions"),
    ]
    placed = diagram.add("placed", "Add positions", "join", summed, read)
    heads = f"{settings.num_heads} head{'s' if settings.num_heads > 1 else ''} of {dim // settings.num_heads}"
    lines = [Line("causal attention", heads), Line(f"{dim} → {dim} → {dim}", "ReLU")]
    lines += [Line("blocks", f"{settings.num_blocks}"), parts.weights("block_")]
    attended = diagram.add("blocks", "Self-attention", "interaction", lines, [placed])
    others = inputs.of_side(Side.USER, without=names)
    width = dim + sum(slot.dim for slot in definition.slots_of(Side.USER) if slot.name not in names)
    width += definition.num_dense(Side.USER)
    newest = [Line("newest place", f"{dim}"), Line(f"{width:,} → {settings.output_dim:,}", "linear")]
    user = diagram.add(
        "user_output", "User side", "network", [*newest, parts.weights("user_output")], [attended, *others]
    )
    item_width = side_width(definition, Side.ITEM)
    of_item = [Line("side by side", f"{item_width:,}"), Line(f"{item_width:,} → {settings.output_dim:,}", "linear")]
    item = diagram.add(
        "item_output", "Item side", "network", [*of_item, parts.weights("item_output")], inputs.of_side(Side.ITEM)
    )
    vectors = [
        _vector(diagram, Side.USER, settings.output_dim, "unit length", user),
        _vector(diagram, Side.ITEM, settings.output_dim, "unit length", item),
    ]
    _meet(diagram, definition, settings, vectors, "Cosine")


def _vector(diagram: Diagram, side: Side, dim: int, about: str, after: str) -> str:
    lines = [Line(about, f"{dim:,}")]
    lines.append(Line("made at the request") if side is Side.USER else Line("kept in an index"))
    return diagram.add(f"{side.value}_vector", f"{_NAMES[side]} vector", "join", lines, [after])


def _meet(diagram: Diagram, definition: ModelDefinition, settings: Retrieval, vectors: list[str], title: str) -> None:
    lines = [Line("÷ temperature", f"{settings.temperature:g}")]
    product = diagram.add("product", title, "interaction", lines, vectors)
    task = definition.tasks[0]
    loss = {
        RetrievalLoss.SOFTMAX: "softmax over the batch",
        RetrievalLoss.BCE: f"bce, {settings.num_negatives} negatives",
        RetrievalLoss.BPR: f"bpr, {settings.num_negatives} negatives",
    }[settings.loss]
    learned = [Line(f"of {task.event_type}"), Line("loss", loss)]
    if settings.loss is RetrievalLoss.SOFTMAX:
        learned.append(Line("log-Q correction", "yes" if settings.log_q_correction else "no"))
    diagram.add(f"task_{task.name}", task.name, "output", learned, [product])
