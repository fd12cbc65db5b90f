"""How long a project's joiner waits for what, as its schema says; `docs/joiner.md` has the rules."""

from __future__ import annotations

from dataclasses import dataclass

from engine.spec.joining import Positives
from engine.spec.schema import EventRole, Schema


@dataclass(frozen=True, slots=True)
class Window:
    """An impression waits `window_ms` for these action types; then it is said which of them did not come."""

    window_ms: int
    actions: tuple[str, ...]


def windows_of(schema: Schema) -> tuple[Window, ...]:
    """The ends of an impression's waiting at which examples are made, the first first."""
    actions = {name: one for name, one in schema.events.items() if one.role is EventRole.ACTION}
    window_of = {
        name: round(1000 * (schema.join_window_s if one.join_window_s is None else one.join_window_s))
        for name, one in actions.items()
    }
    if schema.joining.positives is Positives.WAIT and window_of:
        return (Window(max(window_of.values()), tuple(window_of)),)
    return tuple(
        Window(window_ms, tuple(name for name, one_ms in window_of.items() if one_ms == window_ms))
        for window_ms in sorted(set(window_of.values()))
    )
