"""Events for the joiner's tests: short to write, complete in what they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole, Schema

SCHEMA = Schema.parse(
    {
        "events": {"impression": {"role": "impression"}, "click": {}, "purchase": {}, "login": {"role": "other"}},
        "join_window_s": 10,
        "history_length": 3,
    }
)

MakeEvent = Callable[..., Event]


@pytest.fixture
def schema() -> Schema:
    return SCHEMA


@pytest.fixture
def settings() -> JoinerSettings:
    return JoinerSettings.from_schema(SCHEMA)


@pytest.fixture
def joiner(settings: JoinerSettings) -> Joiner:
    return Joiner(settings)


@pytest.fixture
def make_event() -> MakeEvent:
    def make(
        event_id: str,
        event_type: str,
        at_ms: int,
        item_id: str | None = None,
        *,
        user_id: str = "u",
        shown: tuple[str, ...] = (),
        **fields: Any,
    ) -> Event:
        role = SCHEMA.role_of(event_type) or EventRole.OTHER
        values: dict[str, Any] = {"received_ms": at_ms} | fields
        return Event(
            event_id,
            event_type,
            role,
            user_id,
            item_id,
            at_ms,
            items=tuple(ShownItem(one, place) for place, one in enumerate(shown)),
            **values,
        )

    return make
