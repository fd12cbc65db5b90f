"""The dense weights that an architecture has, by name and shape, from the definition alone: what `engine.models` builds.

The tests hold every kind's names and shapes against the layers themselves, so that what is drawn or counted from these is of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from engine.spec.definition import DenseAdam, ModelDefinition, Side, Slot, TwoTower
from engine.spec.dense_optimizer import DenseMomentum
from engine.spec.document import Document
from engine.spec.layer_settings import Activation
from engine.spec.ranking import (
    DIN,
    DLRM,
    PLE,
    AutoInt,
    DCNv2,
    DeepFM,
    FactorizationMachine,
    GatedRanking,
    LogisticRegression,
    MMoE,
    WideDeep,
    XDeepFM,
)
from engine.spec.retrieval import MatrixFactorisation, SASRec

Shapes = dict[str, tuple[int, ...]]
"""Name, `<layer>/<weight>`, to shape, in the order in which layers are made."""

_Settings = TypeVar("_Settings", bound=Document)


class _Layers:
    """Collects the weights of layers as `engine.models.architecture.Architecture` makes them."""

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.num_tasks = len(definition.tasks)
        self.shapes: Shapes = {}
        settings = definition.architecture
        dims = {slot.name: slot.dim for slot in definition.slots}
        gates = settings.lhuc_slots if isinstance(settings, GatedRanking) else []
        self.num_gate_inputs = sum(dims[name] for name in gates)

    def dense(self, name: str, num_inputs: int, units: int, *, bias: bool = True) -> int:
        self.shapes[f"{name}/kernel"] = (num_inputs, units)
        if bias:
            self.shapes[f"{name}/bias"] = (units,)
        return units

    def weight(self, name: str, *shape: int) -> None:
        self.shapes[f"{name}/kernel"] = shape

    def network(self, name: str, width: int, hidden: list[int], activation: Activation = Activation.RELU) -> int:
        """Hidden layers with the activations' and gates' weights; answers the width of the last."""
        for place, units in enumerate(hidden):
            width = self.dense(f"{name}_{place}", width, units)
            if activation is not Activation.RELU:
                self.weight(f"{name}_{place}_activation", units)
            if activation is Activation.DICE:
                self.shapes[f"{name}_{place}_activation/moments"] = (3, units)
            if self.num_gate_inputs:
                self.dense(f"{name}_{place}_gate", self.num_gate_inputs, units)
        return width

    def senet(self, settings: GatedRanking, num_slots: int) -> None:
        if settings.senet_reduction:
            units = self.dense("senet_squeezed", num_slots, max(1, num_slots // settings.senet_reduction))
            self.dense("senet_weights", units, num_slots)

    def output(self, name: str, width: int, units: int | None = None) -> None:
        self.dense(name, width, units or self.num_tasks)


def weight_shapes(definition: ModelDefinition) -> Shapes:
    """Every weight that travels with the model, trained or observed: layers, moments, the statistics of standardised inputs."""
    layers = _Layers(definition)
    _MAKERS[definition.architecture.kind](layers)
    for dense in definition.dense:
        if dense.transform.standardises:
            layers.shapes[f"statistics/{dense.name}"] = (2, dense.dim)
    return layers.shapes


def num_weights(definition: ModelDefinition) -> int:
    """Floats of all of them."""
    return sum(size_of(shape) for shape in weight_shapes(definition).values())


def num_optimizer_floats(definition: ModelDefinition) -> int:
    """Floats of state that the network's optimizer keeps for the trained weights."""
    optimizer = definition.dense_optimizer
    of_each = 2 if isinstance(optimizer, DenseAdam) else 1
    if isinstance(optimizer, DenseMomentum) and optimizer.momentum == 0:
        of_each = 0
    trained = (
        size_of(shape)
        for name, shape in weight_shapes(definition).items()
        if not name.endswith("/moments") and not name.startswith("statistics/")
    )
    return of_each * sum(trained)


def size_of(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def width_of(definition: ModelDefinition, slots: list[Slot]) -> int:
    """Columns of these slots side by side, and of all dense inputs after them."""
    return sum(slot.dim for slot in slots) + definition.num_dense()


def deep_slots(definition: ModelDefinition) -> list[Slot]:
    """The slots that a ranking network reads: of a wide_deep those that are not wide."""
    settings = definition.architecture
    wide = settings.wide_slots if isinstance(settings, WideDeep) else []
    return [slot for slot in definition.slots if slot.name not in wide]


def side_width(definition: ModelDefinition, side: Side) -> int:
    """Columns of one side's slots and dense inputs side by side."""
    return sum(slot.dim for slot in definition.slots_of(side)) + definition.num_dense(side)


def _settings(layers: _Layers, kind: type[_Settings]) -> _Settings:
    settings = layers.definition.architecture
    assert isinstance(settings, kind)
    return settings


def _two_tower(layers: _Layers) -> None:
    settings = _settings(layers, TwoTower)
    for side in (Side.USER, Side.ITEM):
        width = side_width(layers.definition, side)
        for place, units in enumerate(settings.hidden):
            width = layers.dense(f"{side.value}_hidden_{place}", width, units)
        layers.dense(f"{side.value}_output", width, settings.output_dim)


def _matrix_factorisation(layers: _Layers) -> None:
    settings = _settings(layers, MatrixFactorisation)
    for side in (Side.USER, Side.ITEM):
        if num := layers.definition.num_dense(side):
            layers.dense(f"{side.value}_dense", num, settings.output_dim, bias=False)


def _sasrec(layers: _Layers) -> None:
    settings, definition = _settings(layers, SASRec), layers.definition
    slots = {slot.name: slot for slot in definition.slots}
    dim, length = slots[settings.sequence_slot].dim, slots[settings.sequence_slot].max_values
    layers.weight("positions", length, dim)
    for place in range(settings.num_blocks):
        for part in ("query", "key", "value", "hidden", "output"):
            layers.dense(f"block_{place}_{part}", dim, dim)
    sequences = {settings.sequence_slot, *settings.context_slots}
    others = sum(slot.dim for slot in definition.slots_of(Side.USER) if slot.name not in sequences)
    layers.dense("user_output", dim + others + definition.num_dense(Side.USER), settings.output_dim)
    layers.dense("item_output", side_width(definition, Side.ITEM), settings.output_dim)


def _logistic_regression(layers: _Layers) -> None:
    _settings(layers, LogisticRegression)
    layers.output("first_order", layers.definition.num_dense())


def _factorization(layers: _Layers) -> None:
    """First-order weights, and with several tasks those of the pairs."""
    definition = layers.definition
    layers.output("first_order", width_of(definition, definition.slots))
    if layers.num_tasks > 1:
        layers.dense("second_order", definition.slots[0].dim, layers.num_tasks, bias=False)


def _fm(layers: _Layers) -> None:
    _settings(layers, FactorizationMachine)
    _factorization(layers)


def _gated(layers: _Layers, settings: GatedRanking) -> int:
    """The SENet gate; answers the width that networks read."""
    slots = deep_slots(layers.definition)
    layers.senet(settings, len(slots))
    return width_of(layers.definition, slots)


def _deepfm(layers: _Layers) -> None:
    settings = _settings(layers, DeepFM)
    width = _gated(layers, settings)
    _factorization(layers)
    layers.output("output", layers.network("hidden", width, settings.hidden))


def _wide_deep(layers: _Layers) -> None:
    settings = _settings(layers, WideDeep)
    width = _gated(layers, settings)
    layers.output("wide", layers.definition.num_dense())
    layers.output("output", layers.network("hidden", width, settings.hidden))


def _dcn_v2(layers: _Layers) -> None:
    settings = _settings(layers, DCNv2)
    width = _gated(layers, settings)
    for place in range(settings.num_cross_layers):
        _cross_layer(layers, f"cross_{place}", width, settings)
    deep = layers.network("hidden", width, settings.hidden)
    layers.output("output", deep if settings.structure == "stacked" else width + deep)


def _cross_layer(layers: _Layers, name: str, width: int, settings: DCNv2) -> None:
    rank, num_experts = settings.rank, settings.num_experts
    if rank is None:
        layers.dense(name, width, width)
        return
    if num_experts > 1:
        layers.dense(f"{name}_gate", width, num_experts)
    layers.dense(f"{name}_down", width, num_experts * rank, bias=False)
    if num_experts > 1:
        for expert in range(num_experts):
            layers.dense(f"{name}_core_{expert}", rank, rank, bias=False)
    layers.dense(f"{name}_up", num_experts * rank, width)


def _xdeepfm(layers: _Layers) -> None:
    settings = _settings(layers, XDeepFM)
    width = _gated(layers, settings)
    layers.output("first_order", width)
    last = num_slots = len(layers.definition.slots)
    for place, maps in enumerate(settings.cin):
        last = layers.dense(f"cin_{place}", last * num_slots, maps, bias=False)
    layers.output("cin_output", sum(settings.cin))
    layers.output("output", layers.network("hidden", width, settings.hidden))


def _autoint(layers: _Layers) -> None:
    settings, definition = _settings(layers, AutoInt), layers.definition
    width = _gated(layers, settings)
    dim, num_dense = definition.slots[0].dim, definition.num_dense()
    if num_dense:
        layers.weight("numbers", num_dense, dim)
    for place in range(settings.num_layers):
        for part in ("query", "key", "value", "residual"):
            layers.dense(f"attention_{place}_{part}", dim, settings.num_heads * settings.head_dim, bias=False)
        dim = settings.num_heads * settings.head_dim
    layers.output("attention_output", (len(definition.slots) + num_dense) * dim)
    layers.output("output", layers.network("hidden", width, settings.hidden))


def _din(layers: _Layers) -> None:
    settings = _settings(layers, DIN)
    width = _gated(layers, settings)
    dims = {slot.name: slot.dim for slot in layers.definition.slots}
    seen = 4 * dims[settings.target_slot] + sum(dims[name] for name in settings.context_slots)
    gates, layers.num_gate_inputs = layers.num_gate_inputs, 0
    layers.output(
        "attention_output", layers.network("attention", seen, settings.attention_hidden, settings.activation), 1
    )
    layers.num_gate_inputs = gates
    layers.output("output", layers.network("hidden", width, settings.hidden, settings.activation))


def _dlrm(layers: _Layers) -> None:
    settings, definition = _settings(layers, DLRM), layers.definition
    _gated(layers, settings)
    dim, num_dense, num_vectors = definition.slots[0].dim, definition.num_dense(), len(definition.slots)
    if num_dense:
        layers.dense("bottom_output", layers.network("bottom", num_dense, settings.bottom_hidden), dim)
        num_vectors += 1
    pairs = num_vectors * (num_vectors - 1) // 2
    layers.output("output", layers.network("hidden", pairs + (dim if num_dense else 0), settings.hidden))


def _towers(layers: _Layers, width: int, hidden: list[int]) -> None:
    for task in range(layers.num_tasks):
        layers.output(f"output_{task}", layers.network(f"tower_{task}", width, hidden), 1)


def _mmoe(layers: _Layers) -> None:
    settings = _settings(layers, MMoE)
    width = _gated(layers, settings)
    for expert in range(settings.num_experts):
        layers.network(f"expert_{expert}", width, settings.hidden)
    for task in range(layers.num_tasks):
        layers.dense(f"gate_{task}", width, settings.num_experts)
    _towers(layers, settings.hidden[-1], settings.tower_hidden)


def _ple(layers: _Layers) -> None:
    settings = _settings(layers, PLE)
    width = _gated(layers, settings)
    shared, own = settings.num_shared_experts, settings.num_task_experts
    for level in range(settings.num_levels):
        experts = {"shared": shared} | {f"task_{task}": own for task in range(layers.num_tasks)}
        for owner, count in experts.items():
            for expert in range(count):
                layers.network(f"level_{level}_{owner}_{expert}", width, settings.hidden)
        for task in range(layers.num_tasks):
            layers.dense(f"level_{level}_gate_task_{task}", width, own + shared)
        if level < settings.num_levels - 1:
            layers.dense(f"level_{level}_gate_shared", width, layers.num_tasks * own + shared)
        width = settings.hidden[-1]
    _towers(layers, width, settings.tower_hidden)


_MAKERS: Final[dict[str, Callable[[_Layers], None]]] = {
    "two_tower": _two_tower,
    "matrix_factorisation": _matrix_factorisation,
    "sasrec": _sasrec,
    "logistic_regression": _logistic_regression,
    "fm": _fm,
    "deepfm": _deepfm,
    "wide_deep": _wide_deep,
    "dcn_v2": _dcn_v2,
    "xdeepfm": _xdeepfm,
    "autoint": _autoint,
    "din": _din,
    "dlrm": _dlrm,
    "mmoe": _mmoe,
    "ple": _ple,
}
