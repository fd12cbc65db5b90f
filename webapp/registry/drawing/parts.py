"""Boxes that several architectures have: networks with their layers, what is put side by side, tasks and the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from engine.spec.definition import ModelDefinition, Slot
from engine.spec.dense_weights import size_of, weight_shapes
from engine.spec.layer_settings import Activation
from engine.spec.ranking import GatedRanking
from engine.spec.score import FirstTask
from engine.spec.task import RegressionTask
from webapp.registry.definition_words import score_words
from webapp.registry.drawing.diagram import Diagram, Line
from webapp.registry.kind_titles import title_of

_WIDEST_LAYER: Final = 8192


class Parts:
    """Adds boxes of one definition; the weights that a box says are counted from its layers' names."""

    def __init__(self, diagram: Diagram, definition: ModelDefinition) -> None:
        self.diagram = diagram
        self.definition = definition
        self._sizes = {name: size_of(shape) for name, shape in weight_shapes(definition).items()}

    def weights(self, *prefixes: str) -> Line:
        """How many weights the layers have whose names begin so."""
        return Line("weights", f"{sum(size for name, size in self._sizes.items() if name.startswith(prefixes)):,}")

    def layers(self, width: int, hidden: Sequence[int], activation: Activation = Activation.RELU) -> list[Line]:
        """A line for each hidden layer, with a bar as long as the layer is wide, on a logarithmic scale."""
        lines, title = [], title_of(activation.value)
        for units in hidden:
            lines.append(Line(f"{width:,} → {units:,}", title, math.log(units + 1) / math.log(_WIDEST_LAYER)))
            width = units
        return lines

    def network(
        self,
        key: str,
        title: str,
        width: int,
        hidden: Sequence[int],
        after: Sequence[str],
        *,
        prefix: str,
        activation: Activation = Activation.RELU,
    ) -> tuple[str, int]:
        """Hidden layers; without any, what goes in comes out. Answers the box's key and the width of the last layer."""
        lines = self.layers(width, hidden, activation) or [Line("no hidden layer", f"{width:,}")]
        settings = self.definition.architecture
        if hidden and isinstance(settings, GatedRanking) and settings.lhuc_slots and prefix != "attention":
            lines.append(Line("× gates of " + ", ".join(settings.lhuc_slots), "0 to 2"))
        if hidden:
            lines.append(self.weights(prefix))
        return self.diagram.add(key, title, "network", lines, after), hidden[-1] if hidden else width

    def senet(self, slots: Sequence[Slot], after: list[str]) -> list[str]:
        """The gate over the embeddings where there is one; what goes on from here."""
        settings = self.definition.architecture
        if not isinstance(settings, GatedRanking) or not settings.senet_reduction or not after:
            return after
        num = len(slots)
        units = max(1, num // settings.senet_reduction)
        lines = [
            Line(f"{num} → {units} → {num}", "ReLU, 2σ"),
            Line("each slot times", "0 to 2"),
            self.weights("senet_"),
        ]
        return [self.diagram.add("senet", "SENet gate", "interaction", lines, after)]

    def side_by_side(self, slots: Sequence[Slot], num_numbers: int, after: Sequence[str]) -> tuple[str, int]:
        """Embeddings and numbers as one row; answers its width too."""
        floats = sum(slot.dim for slot in slots)
        lines = [Line(_plural(len(slots), "slot"), f"{floats:,}")] if slots else []
        if num_numbers:
            lines.append(Line(_plural(num_numbers, "number"), f"{num_numbers:,}"))
        lines.append(Line("together", f"{floats + num_numbers:,}"))
        return self.diagram.add("joined", "Side by side", "join", lines, after), floats + num_numbers

    def first_order(self, width: int, after: Sequence[str]) -> str:
        lines = [Line(f"{width:,} → {len(self.definition.tasks)}", "linear"), self.weights("first_order")]
        return self.diagram.add("first_order", "First order", "interaction", lines, after)

    def logits(self, after: Sequence[str], *lines: Line) -> str:
        """What sums up to a logit for each task."""
        num_tasks = len(self.definition.tasks)
        said = [*lines, Line("a logit for each task", f"{num_tasks}")] if num_tasks > 1 else lines
        return self.diagram.add("logit", "Logits" if num_tasks > 1 else "Logit", "join", said, after)

    def linear(self, width: int, prefix: str = "output") -> Line:
        """The linear layer from the last network to the logits."""
        return Line(f"{width:,} → {len(self.definition.tasks)}", f"linear, {self.weights(prefix).right} weights")

    def tasks(self, sources: Sequence[str]) -> None:
        """A box for each task, from its own source or the common one; then what items are ranked by."""
        made = []
        for place, task in enumerate(self.definition.tasks):
            source = sources[place] if len(sources) > 1 else sources[0]
            if isinstance(task, RegressionTask):
                lines = [Line(f"{task.event_type}.{task.property}", task.transform.value)]
            else:
                says = "probability, σ" if task.loss == "bce" else "order alone"
                lines = [Line(f"of {task.event_type}", says)]
            lines.append(Line("loss", title_of(task.loss.value)))
            if place == 0 and isinstance(self.definition.score, FirstTask):
                lines.append(Line("the score of an item"))
            made.append(self.diagram.add(f"task_{task.name}", task.name, "output", lines, [source]))
        if not isinstance(self.definition.score, FirstTask):
            self.diagram.add("score", "Score", "score", [Line(score_words(self.definition))], made)


def _plural(num: int, word: str) -> str:
    return f"{num:,} {word}" if num == 1 else f"{num:,} {word}s"
