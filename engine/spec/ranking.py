"""Architectures that score the items that retrieval found, each with its settings. Formulas stand in `engine/models`, a file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from engine.spec.document import Document, Name
from engine.spec.layer_settings import Activation, Hidden, SlotNames
from engine.spec.slot import Pooling, Side, Slot

if TYPE_CHECKING:
    from engine.spec.definition import ModelDefinition


class Ranking(Document):
    """What every ranking architecture has: one output for each task."""

    kind: str
    num_negatives: int = Field(
        default=4, ge=1, le=100, description="negatives sampled for each action that came without an impression"
    )

    def check(self, definition: ModelDefinition) -> None:
        """Raise ValueError, naming what is missing, when the definition has not what the architecture needs."""
        if definition.tasks[0].kind != "binary":
            raise ValueError("the first task must be binary: its probability is the score that items are ranked by")

    def _check_equal_dims(self, slots: list[Slot]) -> None:
        dims = sorted({slot.dim for slot in slots})
        if len(dims) != 1:
            raise ValueError(f"a {self.kind} needs the same dim in every slot, received {dims}")

    def _slot(self, definition: ModelDefinition, field: str, name: str) -> Slot:
        for slot in definition.slots:
            if slot.name == name:
                return slot
        raise ValueError(f"{field} must name a slot, received {name}")


class GatedRanking(Ranking):
    """An architecture with hidden layers, whose inputs and units may be gated."""

    hidden: Hidden = Field(default_factory=lambda: [64, 32], description="units of each hidden layer")
    senet_reduction: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="SENet gate: each slot's embedding is weighed by what all slots say, through a layer of so many times fewer "
        "units than slots; empty for no gate",
    )
    lhuc_slots: SlotNames = Field(
        default_factory=list,
        description="LHUC gates: the slots, as the user's id, whose embeddings scale every hidden unit by 0 to 2; empty for no gate",
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        for name in self.lhuc_slots:
            self._slot(definition, "lhuc_slots", name)


class LogisticRegression(Ranking):
    """One weight for each id and number (Richardson et al., WWW 2007). A slot's dim is the number of tasks: a row is its id's weights."""

    kind: Literal["logistic_regression"] = "logistic_regression"

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        for slot in definition.slots:
            _check_weight_slot(slot, self.kind, len(definition.tasks))


class FactorizationMachine(Ranking):
    """First-order terms and the dot product of every pair of slots (Rendle, ICDM 2010)."""

    kind: Literal["fm"] = "fm"

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_equal_dims(definition.slots)


class DeepFM(GatedRanking):
    """First-order terms, factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

    kind: Literal["deepfm"] = "deepfm"

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_equal_dims(definition.slots)


class WideDeep(GatedRanking):
    """A weight for each id of the wide slots, often crosses, beside a deep network over the others (Cheng et al., DLRS 2016)."""

    kind: Literal["wide_deep"] = "wide_deep"
    wide_slots: SlotNames = Field(
        min_length=1,
        description="slots whose ids have one weight for each task instead of an embedding; their dim is the number of tasks",
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        for name in self.wide_slots:
            _check_weight_slot(
                self._slot(definition, "wide_slots", name), "wide_deep's wide part", len(definition.tasks)
            )
        if {slot.name for slot in definition.slots} <= set(self.wide_slots):
            raise ValueError("a wide_deep needs a slot that is not among its wide_slots: the deep part has no input")
        wide = sorted(set(self.wide_slots) & set(self.lhuc_slots))
        if wide:
            raise ValueError(f"lhuc_slots must be of the deep part, received {wide}, which are wide_slots")


class DCNv2(GatedRanking):
    """Cross layers of full or low rank, or mixtures of low-rank experts, and a deep network (Wang et al., WWW 2021)."""

    kind: Literal["dcn_v2"] = "dcn_v2"
    num_cross_layers: int = Field(
        default=2, ge=1, le=8, description="each layer adds one to the degree of the interactions"
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="of each cross layer's matrix, a quarter of its width or less; empty for a full matrix",
    )
    num_experts: int = Field(
        default=1, ge=1, le=16, description="low-rank matrices of each cross layer, mixed by a gate"
    )
    structure: Literal["parallel", "stacked"] = Field(
        default="parallel", description="the deep network beside the cross layers, or on top of them"
    )

    @model_validator(mode="after")
    def _experts_have_a_rank(self) -> DCNv2:
        if self.num_experts > 1 and self.rank is None:
            raise ValueError("num_experts above 1 needs a rank: only low-rank cross layers are mixed")
        return self


class XDeepFM(GatedRanking):
    """A compressed interaction network, vector by vector, first-order terms and a deep network (Lian et al., KDD 2018)."""

    kind: Literal["xdeepfm"] = "xdeepfm"
    cin: Hidden = Field(
        default_factory=lambda: [16, 16],
        min_length=1,
        description="feature maps of each layer of the interaction network",
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_equal_dims(definition.slots)


class AutoInt(GatedRanking):
    """Slots and numbers attend to each other, layer by layer (Song et al., CIKM 2019)."""

    kind: Literal["autoint"] = "autoint"
    num_layers: int = Field(default=2, ge=1, le=8, description="layers of attention")
    num_heads: int = Field(default=2, ge=1, le=16, description="ways of attending, side by side in each layer")
    head_dim: int = Field(default=8, ge=1, le=256, description="floats of each head")

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_equal_dims(definition.slots)


class DIN(GatedRanking):
    """The user's history weighed by what it says of the item in question (Zhou et al., KDD 2018)."""

    kind: Literal["din"] = "din"
    sequence_slot: Name = Field(default="history", description="the slot of past items; its pooling is sequence")
    target_slot: Name = Field(default="item_id", description="the slot of the item in question, of the same dim")
    context_slots: SlotNames = Field(
        default_factory=list,
        description="sequences parallel to the first, as event types and ages, that the attention looks at too",
    )
    attention_hidden: Hidden = Field(
        default_factory=lambda: [32], description="units of each hidden layer of the attention"
    )
    activation: Activation = Field(
        default=Activation.RELU, description="of hidden layers, those of the attention too; the paper's is dice"
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        sequence = self._slot(definition, "sequence_slot", self.sequence_slot)
        target = self._slot(definition, "target_slot", self.target_slot)
        context = [self._slot(definition, "context_slots", name) for name in self.context_slots]
        for slot in (sequence, *context):
            if slot.pooling is not Pooling.SEQUENCE:
                raise ValueError(f"a din needs slot {slot.name} as a sequence; set its pooling to sequence")
            if slot.max_values != sequence.max_values:
                raise ValueError(
                    f"slot {slot.name} has max_values {slot.max_values}, but runs parallel to {sequence.name}, "
                    f"whose max_values is {sequence.max_values}"
                )
        if definition.side_of(target.source) is not Side.ITEM:
            raise ValueError(
                f"a din's target_slot must be of the item side, received {target.name} with source {target.source}"
            )
        if target.dim != sequence.dim:
            raise ValueError(
                f"slot {target.name} has dim {target.dim}, but is compared with {sequence.name}, whose dim is {sequence.dim}"
            )


class DLRM(GatedRanking):
    """Numbers through a network of their own, dot products of all pairs, a network on top (Naumov et al., 2019)."""

    kind: Literal["dlrm"] = "dlrm"
    bottom_hidden: Hidden = Field(
        default_factory=lambda: [32], description="units of each hidden layer over the numbers, below the pairs"
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_equal_dims(definition.slots)
        if len(definition.slots) < 2 and not definition.dense:
            raise ValueError("a dlrm needs two slots, or a slot and a dense input, to make a pair")


class MMoE(GatedRanking):
    """Experts that all tasks share, mixed for each task by a gate of its own (Ma et al., KDD 2018)."""

    kind: Literal["mmoe"] = "mmoe"
    hidden: Hidden = Field(
        default_factory=lambda: [64], min_length=1, description="units of each hidden layer of an expert"
    )
    num_experts: int = Field(default=4, ge=1, le=32, description="networks that all tasks share")
    tower_hidden: Hidden = Field(
        default_factory=lambda: [32], description="units of each hidden layer of a task's tower"
    )


class PLE(GatedRanking):
    """Experts of each task beside shared ones, level upon level (Tang et al., RecSys 2020)."""

    kind: Literal["ple"] = "ple"
    hidden: Hidden = Field(
        default_factory=lambda: [64], min_length=1, description="units of each hidden layer of an expert"
    )
    num_levels: int = Field(default=2, ge=1, le=4, description="extraction networks, one upon the other")
    num_shared_experts: int = Field(default=2, ge=1, le=16, description="of each level")
    num_task_experts: int = Field(default=2, ge=1, le=16, description="of each level and task")
    tower_hidden: Hidden = Field(
        default_factory=lambda: [32], description="units of each hidden layer of a task's tower"
    )


def _check_weight_slot(slot: Slot, who: str, num_tasks: int) -> None:
    if slot.dim != num_tasks:
        raise ValueError(
            f"slot {slot.name} must have dim {num_tasks} in a {who}, one weight of each id for each task, received {slot.dim}"
        )
    if slot.pooling is Pooling.SEQUENCE:
        raise ValueError(f"slot {slot.name} must not be a sequence in a {who}; pool it")
