"""Comparisons of item values with one another and with the request's. One with null is false."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from engine.retrieval.filters.frame import Frame, Mask
from engine.retrieval.filters.number_operands import numbers_of
from engine.retrieval.filters.scalars import scalar_of
from engine.retrieval.filters.text_operands import (
    ItemIds,
    ItemTexts,
    codes_among,
    codes_where,
    item_texts,
    named_rows,
    ranked,
    rows_among,
    translated,
)
from engine.retrieval.property_column import BooleanColumn
from engine.spec.expression_checking import CheckedExpression, reads_item
from engine.spec.expression_tree import Comparison, Path, Value, ValueKind
from engine.spec.schema import PropertyType

Answer = Mask | bool
"""bool[size], fresh and the caller's own; or one answer for every row."""

Runner = Callable[[Frame], Answer]

_SIGNS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TURNED: Final = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def comparison_of(node: Comparison, checked: CheckedExpression) -> Runner:
    if not reads_item(node):
        return _of_request(node, checked)
    kind = checked.kind_of(node.left)
    if kind is ValueKind.TEXT:
        return _texts(node, checked)
    if kind is ValueKind.FLAG:
        return _flags(node, checked)
    return _numbers(node, checked)


def _of_request(node: Comparison, checked: CheckedExpression) -> Runner:
    left, right, sign = scalar_of(node.left, checked), scalar_of(node.right, checked), _SIGNS[node.sign]

    def run(frame: Frame) -> Answer:
        one, other = left(frame.request), right(frame.request)
        return one is not None and other is not None and bool(sign(one, other))

    return run


def _numbers(node: Comparison, checked: CheckedExpression) -> Runner:
    left, right, sign = numbers_of(node.left, checked), numbers_of(node.right, checked), _SIGNS[node.sign]

    def run(frame: Frame) -> Answer:
        one, other = left(frame), right(frame)
        mask: Mask = sign(one, other)
        if sign is operator.ne:
            # The only comparison that NaN passes.
            mask &= np.equal(one, one) & np.equal(other, other)
        return mask

    return run


def _flags(node: Comparison, checked: CheckedExpression) -> Runner:
    left, right = _flag_codes(node.left, checked), _flag_codes(node.right, checked)
    is_equal = node.sign == "="

    def run(frame: Frame) -> Answer:
        one, other = left(frame), right(frame)
        mask: Mask = np.equal(one, other) if is_equal else np.not_equal(one, other)
        mask &= np.greater_equal(one, 0) & np.greater_equal(other, 0)
        return mask

    return run


def _flag_codes(value: Value, checked: CheckedExpression) -> Callable[[Frame], Any]:
    """1, 0, or -1 for null: int8[size], or one for all."""
    if isinstance(value, Path) and value.root == "item":
        name = value.name
        return lambda frame: frame.at(flag_column(frame, name).values)
    scalar = scalar_of(value, checked)

    def run(frame: Frame) -> int:
        found = scalar(frame.request)
        return -1 if found is None else int(bool(found))

    return run


def flag_column(frame: Frame, name: str) -> BooleanColumn:
    column = frame.catalogue.column(name, PropertyType.BOOLEAN)
    assert isinstance(column, BooleanColumn)
    return column


def _texts(node: Comparison, checked: CheckedExpression) -> Runner:
    left_is_item, right_is_item = reads_item(node.left), reads_item(node.right)
    if not (left_is_item and right_is_item):
        path, value = (node.left, node.right) if left_is_item else (node.right, node.left)
        assert isinstance(path, Path)
        sign = node.sign if left_is_item else _TURNED[node.sign]
        return _item_with_scalar(item_texts(path), value, sign, checked)
    assert isinstance(node.left, Path)
    assert isinstance(node.right, Path)
    left, right = item_texts(node.left), item_texts(node.right)
    if isinstance(left, ItemTexts) and isinstance(right, ItemTexts):
        return _two_properties(left, right, node.sign)
    if isinstance(left, ItemIds) and isinstance(right, ItemIds):
        return lambda _: node.sign == "="
    texts = left if isinstance(left, ItemTexts) else right
    assert isinstance(texts, ItemTexts)
    return _id_with_property(texts, node.sign)


def _item_with_scalar(texts: ItemTexts | ItemIds, value: Value, sign: str, checked: CheckedExpression) -> Runner:
    scalar = scalar_of(value, checked)

    def run(frame: Frame) -> Answer:
        wanted = scalar(frame.request)
        if wanted is None:
            return False
        assert isinstance(wanted, str)
        if isinstance(texts, ItemIds):
            mask = rows_among(frame, (wanted,))
            return mask if sign == "=" else ~mask
        column = texts.column(frame.catalogue)
        codes = frame.at(column.codes)
        if sign == "=":
            return codes_among(codes, column.dictionary, (wanted,))
        if sign == "!=":
            return ~codes_among(codes, column.dictionary, (wanted,)) & (codes >= 0)
        compare = _SIGNS[sign]
        return codes_where(codes, column.dictionary, lambda text: compare(text, wanted))

    return run


def _two_properties(left: ItemTexts, right: ItemTexts, sign: str) -> Runner:
    def run(frame: Frame) -> Answer:
        one, other = left.column(frame.catalogue), right.column(frame.catalogue)
        codes, others = frame.at(one.codes), frame.at(other.codes)
        if sign in ("=", "!="):
            same: Mask = translated(others, other.dictionary, one.dictionary) == codes
            return same if sign == "=" else ~same & (codes >= 0) & (others >= 0)
        texts = sorted({*one.dictionary.texts, *other.dictionary.texts})
        order = dict(zip(texts, range(len(texts)), strict=True))
        ranks, other_ranks = ranked(codes, one.dictionary, order), ranked(others, other.dictionary, order)
        mask: Mask = _SIGNS[sign](ranks, other_ranks) & (ranks >= 0) & (other_ranks >= 0)
        return mask

    return run


def _id_with_property(texts: ItemTexts, sign: str) -> Runner:
    def run(frame: Frame) -> Answer:
        column = texts.column(frame.catalogue)
        codes = frame.at(column.codes)
        same: Mask = named_rows(codes, column.dictionary, frame.catalogue) == frame.own_rows()
        return same if sign == "=" else ~same & (codes >= 0)

    return run
