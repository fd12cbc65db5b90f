"""A filter ready to run: an expression checked against a schema and compiled once, run by many requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import numpy as np

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.conditions import condition_of
from engine.retrieval.filters.frame import Frame, Mask, Request, RequestValues
from engine.retrieval.filters.kept_masks import masks_of
from engine.retrieval.item_rows import Rows
from engine.spec.expression import Expression, parse_expression
from engine.spec.expression_checking import CheckedExpression, check_expression, reads_item
from engine.spec.expression_parameters import check_parameters
from engine.spec.expression_tree import Node, Now, Path, ValueKind, children
from engine.spec.schema import PropertyType, Schema

MAX_KEPT: Final = 1024


class CompiledFilter:
    """Safe to call from several threads, over any catalogue of the schema's items."""

    def __init__(self, checked: CheckedExpression) -> None:
        self.checked = checked
        self._condition = condition_of(checked.root, checked)
        self._is_of_items = reads_item(checked.root) and not _reads_asker(checked.root)
        self._item_properties = {
            name.removeprefix("item."): property_type
            for name, property_type in checked.properties.items()
            if name.startswith("item.") and name != "item.id"
        }

    @property
    def parameters(self) -> Mapping[str, ValueKind]:
        """Of what kind each `$name` must be."""
        return self.checked.parameters

    @property
    def item_properties(self) -> Mapping[str, PropertyType]:
        """The item properties that it reads, by name."""
        return self._item_properties

    @property
    def reads_item(self) -> bool:
        """Otherwise it holds for every item or for none."""
        return reads_item(self.checked.root)

    def prepare(self, catalogue: Catalogue) -> None:
        """Make the columns it reads, so that the first request need not."""
        for name, property_type in self._item_properties.items():
            catalogue.column(name, property_type)

    def mask(self, catalogue: Catalogue, rows: Rows | None, values: RequestValues) -> Mask:
        """bool[n]: for which of `rows` (int32[n], each an item's; None: all rows below `catalogue.num_rows`) it holds.

        The caller's own. A row that is no item's has any answer. Raises `InvalidDocument` for parameters that are missing or of
        another kind.
        """
        request = Request(values, check_parameters(self.checked.parameters, values.parameters))
        frame = Frame(catalogue, rows, catalogue.num_rows, request)
        answer = self._condition.run(frame)
        return np.full(frame.size, answer) if isinstance(answer, bool) else answer

    def kept(self, catalogue: Catalogue, values: RequestValues) -> Mask | None:
        """bool[>= num_rows]: as `mask` of all rows, kept for these parameters until an item changes, and not to be written to. None when
        the expression reads of a request more than its parameters. Raises as `mask`."""
        if not self._is_of_items:
            return None
        request = Request(values, check_parameters(self.checked.parameters, values.parameters))
        # Before anything is read: what changes meanwhile is mended the next time.
        num_changes = catalogue.num_changes
        frame = Frame(catalogue, None, catalogue.num_rows, request)
        key = (self, *request.parameters.values())
        masks = masks_of(catalogue)
        found = masks.mended(key, frame, self._condition.run)
        if found is None:
            found = self.mask(catalogue, None, values)
            masks.keep(key, num_changes, found)
        return found


def _reads_asker(node: Node) -> bool:
    """The user, the context, or the time."""
    own = isinstance(node, Now) or (isinstance(node, Path) and node.root != "item")
    return own or any(map(_reads_asker, children(node)))


def compile_filter(expression: Expression | str, schema: Schema) -> CompiledFilter:
    """Compiled once for a text and a schema while it is among the `MAX_KEPT` used last.

    Raises `InvalidDocument` with the place, the rule and what stands there.
    """
    text, field = (expression, None) if isinstance(expression, str) else (expression.text, expression.field)
    key = text, id(schema)
    with _lock:
        kept = _kept.get(key)
        if kept is not None and kept[0] is schema:
            _kept.move_to_end(key)
            return kept[1]
    parsed = parse_expression(text) if field is None else parse_expression(text, field)
    compiled = CompiledFilter(check_expression(parsed, schema))
    with _lock:
        _kept[key] = schema, compiled
        if len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)
    return compiled


_lock: Final = threading.Lock()
# The schema is held with what is kept, so that its id stays its own.
_kept: Final[OrderedDict[tuple[str, int], tuple[Schema, CompiledFilter]]] = OrderedDict()
