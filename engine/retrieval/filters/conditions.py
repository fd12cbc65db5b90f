"""Conditions joined by and, or, not: the cheap ones first, the dear ones only where the answer is still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.retrieval.filters.comparisons import Answer, Runner, comparison_of, flag_column
from engine.retrieval.filters.frame import Frame, Mask
from engine.retrieval.filters.kept_masks import masks_of
from engine.retrieval.filters.lists import membership_of, overlap_of
from engine.retrieval.filters.number_operands import numbers_of
from engine.retrieval.filters.scalars import scalar_of
from engine.retrieval.filters.text_operands import ItemIds, ItemTextLists, item_texts
from engine.spec.expression_checking import CheckedExpression, reads_item, reads_request
from engine.spec.expression_tree import (
    AllOf,
    AnyOf,
    Comparison,
    IsNull,
    Membership,
    Node,
    Not,
    Overlap,
    Path,
    Value,
    ValueKind,
    children,
)

_NARROWED_BELOW: Final = 1 / 16
_NARROWED_FROM: Final = 8192


@dataclass(frozen=True, slots=True)
class Condition:
    """`cost` orders conditions: 0 looks at no row."""

    run: Runner
    cost: int


def condition_of(node: Node, checked: CheckedExpression) -> Condition:
    """Parts that depend on the items alone are worked out once for all rows and kept until an item changes."""
    if not reads_item(node):
        return Condition(_runner(node, checked), 0)
    condition = Condition(_runner(node, checked), _cost(node, checked))
    return condition if reads_request(node) else Condition(_kept(condition.run), 1)


def _runner(node: Node, checked: CheckedExpression) -> Runner:  # noqa: PLR0911  # one for each kind of node
    match node:
        case AllOf():
            return _all_of(_parts(node, checked))
        case AnyOf():
            return _any_of(_parts(node, checked))
        case Not():
            return _not(condition_of(node.part, checked).run)
        case Comparison():
            return comparison_of(node, checked)
        case Membership():
            return membership_of(node, checked)
        case Overlap():
            return overlap_of(node, checked)
        case IsNull():
            return _is_null(node, checked)
        case _:
            return _flag(node, checked)


def _parts(node: AllOf | AnyOf, checked: CheckedExpression) -> list[Condition]:
    """Cheap first; those of the items alone together, so that they are kept as one."""
    of_items = tuple(part for part in node.parts if not reads_request(part))
    rest = [part for part in node.parts if reads_request(part)]
    if len(of_items) > 1 and rest:
        together = type(node)(node.place, of_items, node.depth)
        nodes: list[Node] = [together, *rest]
    else:
        nodes = list(node.parts)
    # The parts of what is kept as a whole need not be kept each.
    is_kept = not reads_request(node)
    conditions = [
        Condition(_runner(part, checked), _cost(part, checked)) if is_kept else condition_of(part, checked)
        for part in nodes
    ]
    return sorted(conditions, key=lambda condition: condition.cost)


def _cost(node: Node, checked: CheckedExpression) -> int:
    if not reads_item(node):
        return 0
    if isinstance(node, Path):
        return 8 if checked.kind_of(node) is ValueKind.TEXTS else 1
    return 1 + sum(_cost(child, checked) for child in children(node))


def _all_of(parts: list[Condition]) -> Runner:
    def run(frame: Frame) -> Answer:
        mask: Mask | None = None
        for part in parts:
            if mask is not None and frame.size >= _NARROWED_FROM and part.cost > 1:
                open_places = np.flatnonzero(mask)
                if open_places.size < frame.size * _NARROWED_BELOW:
                    mask[open_places] = part.run(frame.narrowed(open_places))
                    continue
            answer = part.run(frame)
            if answer is False:
                return False
            if answer is True:
                continue
            mask = answer if mask is None else np.logical_and(mask, answer, out=mask)
        return True if mask is None else mask

    return run


def _any_of(parts: list[Condition]) -> Runner:
    def run(frame: Frame) -> Answer:
        mask: Mask | None = None
        for part in parts:
            answer = part.run(frame)
            if answer is True:
                return True
            if answer is False:
                continue
            mask = answer if mask is None else np.logical_or(mask, answer, out=mask)
        return False if mask is None else mask

    return run


def _not(part: Runner) -> Runner:
    def run(frame: Frame) -> Answer:
        answer = part(frame)
        return not answer if isinstance(answer, bool) else np.logical_not(answer, out=answer)

    return run


def _flag(node: Node, checked: CheckedExpression) -> Runner:
    if isinstance(node, Path) and node.root == "item":
        name = node.name
        return lambda frame: frame.at(flag_column(frame, name).values) == 1
    scalar = scalar_of(node, checked)  # type: ignore[arg-type]  # what is no condition is a value
    return lambda frame: scalar(frame.request) is True


def _is_null(node: IsNull, checked: CheckedExpression) -> Runner:
    run = _null_of(node.operand, checked)
    return _not(run) if node.is_negated else run


def _null_of(operand: Value, checked: CheckedExpression) -> Runner:
    if not reads_item(operand):
        scalar = scalar_of(operand, checked)
        return lambda frame: scalar(frame.request) is None
    kind = checked.kind_of(operand)
    if isinstance(operand, Path):
        name = operand.name
        if kind is ValueKind.TEXTS:
            lists = ItemTextLists(name)
            return lambda frame: lists.column(frame.catalogue).is_null(
                slice(frame.num_rows) if frame.rows is None else frame.rows
            )
        if kind is ValueKind.FLAG:
            return lambda frame: frame.at(flag_column(frame, name).values) < 0
        if kind is ValueKind.TEXT:
            texts = item_texts(operand)
            if isinstance(texts, ItemIds):
                return lambda _: False
            return lambda frame: frame.at(texts.column(frame.catalogue).codes) < 0
    numbers = numbers_of(operand, checked)
    return lambda frame: np.isnan(numbers(frame))


def _kept(run: Runner) -> Runner:
    def kept(frame: Frame) -> Answer:
        # Before anything is read: what changes meanwhile is mended the next time.
        num_changes = frame.catalogue.num_changes
        mask = masks_of(frame.catalogue).mended(kept, frame, run)
        if mask is not None:
            # The caller writes into what it is given.
            return mask[: frame.num_rows].copy() if frame.rows is None else frame.at(mask)
        answer = run(frame)
        if frame.rows is None and not isinstance(answer, bool):
            masks_of(frame.catalogue).keep(kept, num_changes, answer.copy())
        return answer

    return kept
