"""What a joiner forgets when it comes to an erasure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.joining.state import JoinerState
from engine.spec.erasure import Erasure


def forget(state: JoinerState, erasure: Erasure) -> dict[str, int]:
    """Forget the user or item; answers what went, by `history_items`, `pending_impressions` (shown items that waited), `early_actions`,
    `counters` (keys), `recent_actions` (of those that negatives are drawn from).

    What is counted must be settled. Event ids that were seen stay: they name nobody. Raises OSError.
    """
    return _forget_user(state, erasure.id) if erasure.kind == "user" else _forget_item(state, erasure.id)


def _forget_user(state: JoinerState, user_id: str) -> dict[str, int]:
    state.users.pop(user_id, None)
    return {
        "history_items": state.histories.forget(user_id),
        "pending_impressions": state.pending.forget_user(user_id),
        "early_actions": state.early.forget(user_id=user_id),
        "counters": state.counter_state.forget("user.id", user_id, lambda source: _values(state, source)),
    }


def _forget_item(state: JoinerState, item_id: str) -> dict[str, int]:
    state.items.pop(item_id, None)
    # Every history names it no more; in how many it was, nobody has counted.
    state.histories.forget_item(item_id)
    return {
        "pending_impressions": state.pending.forget_item(item_id),
        "early_actions": state.early.forget(item_id=item_id),
        "counters": state.counter_state.forget("item.id", item_id, lambda source: _values(state, source)),
        "recent_actions": state.recent_items.forget(item_id),
    }


def _values(state: JoinerState, source: str) -> Sequence[Any]:
    """Each value of a source that users or items are known to have; none of an event's."""
    entity, _, name = source.partition(".")
    if entity == "event":
        return []
    known = state.users if entity == "user" else state.items
    if name == "id":
        return list(dict.fromkeys([*known, *state.histories.user_ids()])) if entity == "user" else list(known)
    values = (properties.get(name) for properties in known.values())
    return list({value for value in values if isinstance(value, str | int | float)})
