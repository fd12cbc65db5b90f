"""What asks of lists: `in`, `not in`, `has`, `has any`, `has all`. Where either side is null the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.filters.comparisons import Answer, Runner
from engine.retrieval.filters.frame import Frame, Mask
from engine.retrieval.filters.number_operands import NumberOperand, numbers_of
from engine.retrieval.filters.scalars import Scalar, scalar_of
from engine.retrieval.filters.text_operands import (
    ItemIds,
    ItemTextLists,
    ItemTexts,
    codes_among,
    item_texts,
    named_rows,
    rows_among,
    translated,
)
from engine.retrieval.property_column import Codes, TextListColumn
from engine.spec.expression_checking import CheckedExpression, reads_item
from engine.spec.expression_tree import Membership, Overlap, Path, Value, ValueKind

_COMPARED_ONE_BY_ONE: Final = 4

Entries = tuple[Codes, npt.NDArray[Any]]
"""Codes of the entries looked at, and for each the place in the frame (or the row, where the frame is all rows)."""


def membership_of(node: Membership, checked: CheckedExpression) -> Runner:
    in_item = isinstance(node.collection, Path) and node.collection.root == "item"
    if in_item:
        assert isinstance(node.collection, Path)
        run = _in_item_list(node.element, ItemTextLists(node.collection.name), checked)
        return _negated_in_list(run, node, checked) if node.is_negated else run
    wanted = scalar_of(node.collection, checked)
    if not reads_item(node.element):
        return _of_request(scalar_of(node.element, checked), wanted, node.is_negated)
    if checked.kind_of(node.element) is ValueKind.TEXT:
        assert isinstance(node.element, Path)
        return _texts_in(item_texts(node.element), wanted, node.is_negated)
    return _numbers_in(numbers_of(node.element, checked), wanted, node.is_negated)


def overlap_of(node: Overlap, checked: CheckedExpression) -> Runner:
    if isinstance(node.collection, Path) and node.collection.root == "item":
        list_of, wanted = ItemTextLists(node.collection.name), scalar_of(node.wanted, checked)
        return _has_any(list_of, wanted) if node.quantity == "any" else _has_all(list_of, wanted)
    collection = scalar_of(node.collection, checked)
    if isinstance(node.wanted, Path) and node.wanted.root == "item":
        list_of = ItemTextLists(node.wanted.name)
        return _has_any(list_of, collection) if node.quantity == "any" else _is_within(list_of, collection)
    wanted, is_any = scalar_of(node.wanted, checked), node.quantity == "any"

    def run(frame: Frame) -> Answer:
        one, other = collection(frame.request), wanted(frame.request)
        if one is None or other is None:
            return False
        held, sought = set(one), set(other)  # type: ignore[arg-type]  # lists, as the checker saw to
        return bool(held & sought) if is_any else sought <= held

    return run


def _of_request(element: Scalar, collection: Scalar, is_negated: bool) -> Runner:
    def run(frame: Frame) -> Answer:
        one, of = element(frame.request), collection(frame.request)
        return one is not None and of is not None and (one in of) is not is_negated  # type: ignore[operator]

    return run


def _numbers_in(numbers: NumberOperand, wanted: Scalar, is_negated: bool) -> Runner:
    def run(frame: Frame) -> Answer:
        among = wanted(frame.request)
        if among is None:
            return False
        values = np.asarray(numbers(frame))
        mask = _among(values, np.unique(np.asarray(among, np.float64)))
        return ~mask & ~np.isnan(values) if is_negated else mask

    return run


def _among(values: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Mask:
    """`wanted` ascending."""
    if wanted.size <= _COMPARED_ONE_BY_ONE:
        mask = np.zeros(values.size, np.bool_)
        for one in wanted:
            mask |= values == one
        return mask
    # NaN is placed behind the last, and equals nothing.
    places = np.minimum(np.searchsorted(wanted, values), wanted.size - 1)
    found: Mask = wanted[places] == values
    return found


def _texts_in(texts: ItemTexts | ItemIds, wanted: Scalar, is_negated: bool) -> Runner:
    def run(frame: Frame) -> Answer:
        among = wanted(frame.request)
        if among is None:
            return False
        assert isinstance(among, tuple)
        if isinstance(texts, ItemIds):
            mask = rows_among(frame, among)  # type: ignore[arg-type]  # texts, as the checker saw to
            return ~mask if is_negated else mask
        column = texts.column(frame.catalogue)
        codes = frame.at(column.codes)
        mask = codes_among(codes, column.dictionary, among)  # type: ignore[arg-type]  # texts, as the checker saw to
        return ~mask & (codes >= 0) if is_negated else mask

    return run


def _in_item_list(element: Value, list_of: ItemTextLists, checked: CheckedExpression) -> Runner:
    if not reads_item(element):
        scalar = scalar_of(element, checked)

        def run(frame: Frame) -> Answer:
            wanted = scalar(frame.request)
            if wanted is None:
                return False
            column = list_of.column(frame.catalogue)
            codes, places = _entries(column, frame)
            return _marked(column, frame, places, codes_among(codes, column.dictionary, (wanted,)))  # type: ignore[arg-type]

        return run
    assert isinstance(element, Path)
    texts = item_texts(element)

    def run_each(frame: Frame) -> Answer:
        column = list_of.column(frame.catalogue)
        codes, places = _entries(column, frame)
        rows = places if frame.rows is None else frame.rows[places]
        if isinstance(texts, ItemIds):
            hits = named_rows(codes, column.dictionary, frame.catalogue) == rows
        else:
            of_item = texts.column(frame.catalogue)
            hits = translated(of_item.codes[rows], of_item.dictionary, column.dictionary) == codes
        return _marked(column, frame, places, hits)

    return run_each


def _negated_in_list(run: Runner, node: Membership, checked: CheckedExpression) -> Runner:
    """`not in`: the item has a list and the element is there, and not in it."""
    assert isinstance(node.collection, Path)
    list_of = ItemTextLists(node.collection.name)
    has_element = _presence(node.element, checked)

    def negated(frame: Frame) -> Answer:
        present = has_element(frame)
        if present is False:
            return False
        mask = ~np.asarray(run(frame)) & ~_is_null(list_of.column(frame.catalogue), frame)
        return mask if present is True else mask & present

    return negated


def _presence(element: Value, checked: CheckedExpression) -> Runner:
    if not reads_item(element):
        scalar = scalar_of(element, checked)
        return lambda frame: scalar(frame.request) is not None
    assert isinstance(element, Path)
    texts = item_texts(element)
    if isinstance(texts, ItemIds):
        return lambda _: True
    return lambda frame: frame.at(texts.column(frame.catalogue).codes) >= 0


def _has_any(list_of: ItemTextLists, wanted: Scalar) -> Runner:
    def hits(codes: Codes, column: TextListColumn, sought: tuple[str, ...]) -> Mask:
        return codes_among(codes, column.dictionary, sought)

    return _entry_runner(list_of, wanted, hits)


def _is_within(list_of: ItemTextLists, held: Scalar) -> Runner:
    """The item's list has nothing that `held` has not."""

    def hits(codes: Codes, column: TextListColumn, sought: tuple[str, ...]) -> Mask:
        return ~codes_among(codes, column.dictionary, sought) & (codes >= 0)

    outside = _entry_runner(list_of, held, hits)

    def run(frame: Frame) -> Answer:
        if held(frame.request) is None:
            return False
        return ~np.asarray(outside(frame)) & ~_is_null(list_of.column(frame.catalogue), frame)

    return run


def _entry_runner(
    list_of: ItemTextLists, wanted: Scalar, hits: Callable[[Codes, TextListColumn, tuple[str, ...]], Mask]
) -> Runner:
    def run(frame: Frame) -> Answer:
        sought = wanted(frame.request)
        if sought is None:
            return False
        column = list_of.column(frame.catalogue)
        codes, places = _entries(column, frame)
        return _marked(column, frame, places, hits(codes, column, sought))  # type: ignore[arg-type]  # texts

    return run


def _has_all(list_of: ItemTextLists, wanted: Scalar) -> Runner:
    def run(frame: Frame) -> Answer:
        sought = wanted(frame.request)
        if sought is None:
            return False
        column = list_of.column(frame.catalogue)
        different = set(sought)  # type: ignore[arg-type]  # texts, as the checker saw to
        codes, places = _entries(column, frame)
        found = np.bincount(places[codes_among(codes, column.dictionary, different)], minlength=frame.size)  # type: ignore[arg-type]
        # A list holds each value once.
        mask: Mask = (found[: frame.size] == len(different)) & ~_is_null(column, frame)
        return mask

    return run


def _entries(column: TextListColumn, frame: Frame) -> Entries:
    return column.all_entries() if frame.rows is None else column.entries_of(frame.rows)


def _is_null(column: TextListColumn, frame: Frame) -> Mask:
    return column.is_null(slice(frame.num_rows) if frame.rows is None else frame.rows)


def _marked(column: TextListColumn, frame: Frame, places: npt.NDArray[Any], hits: Mask) -> Mask:
    """bool[size]: the places of the entries that hit."""
    # Entries may belong to rows that were added since the frame was made.
    mask = np.zeros(column.spans_size if frame.rows is None else frame.size, np.bool_)
    mask[places[np.flatnonzero(hits)]] = True
    return mask[: frame.size]
