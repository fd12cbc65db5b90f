"""What users act on together, as training has seen it: candidates for the evaluation of a ranking model, kept in its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.checkpoint.arrays import load_table_file, save_table_file
from engine.retrieval.item_to_item import ItemToItem, ItemToItemSettings, ItemToItemTables
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition
from engine.spec.example import Example
from engine.training.example_table import ExampleTable

SETTINGS: Final = ItemToItemSettings(max_items=50_000, max_contexts=100_000)

_ITEMS_FILE: Final = "item_to_item.arrow"
_CONTEXTS_FILE: Final = "item_to_item_contexts.arrow"


def are_wanted(definition: ModelDefinition) -> bool:
    """Whether anyone asks: a retrieval model is evaluated over everything, and some models are not evaluated at all."""
    return not is_retrieval(definition.architecture) and definition.training.evaluate_fraction > 0


def note_actions(index: ItemToItem, positives: Sequence[Example]) -> None:
    """Take in what users acted on, in log order."""
    index.observe(
        [example.user_id for example in positives],
        [example.item_id for example in positives],
        [example.event_time_ms for example in positives],
    )


def note_columns(index: ItemToItem, positives: ExampleTable) -> None:
    """The same of examples in columns."""
    items, places = positives.items
    index.observe(positives.user_ids.to_pylist(), [items[place] for place in places.tolist()], positives.times_ms)


def save_co_occurrence(index: ItemToItem, folder: Path) -> None:
    """Write it beside the rest of a checkpoint. Raises OSError."""
    tables = index.to_arrow()
    save_table_file(tables.items, folder / _ITEMS_FILE)
    save_table_file(tables.contexts, folder / _CONTEXTS_FILE)


def load_co_occurrence(folder: Path) -> ItemToItem:
    """The inverse; a checkpoint from before there was one starts with nothing. Raises `CorruptRecord`, KeyError, TypeError, ValueError."""
    if not (folder / _ITEMS_FILE).is_file():
        return ItemToItem(SETTINGS)
    items, contexts = load_table_file(folder / _ITEMS_FILE), load_table_file(folder / _CONTEXTS_FILE)
    return ItemToItem.from_arrow(ItemToItemTables(items, contexts))
