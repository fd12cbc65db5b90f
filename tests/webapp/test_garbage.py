"""What stays is set aside, and goes all the same when nobody holds it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from webapp.core.garbage import THRESHOLDS, SettingAside


class Kept:
    """Something that a weak reference can watch."""


@pytest.fixture
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("_as_before")
def test_it_sets_aside_what_is_there_now_and_then() -> None:
    now_s = [100.0]
    aside = SettingAside(60.0, clock=lambda: now_s[0])
    assert gc.get_threshold() == THRESHOLDS
    kept, circle = Kept(), Kept()
    circle.itself = circle  # type: ignore[attr-defined]
    watched = [weakref.ref(kept), weakref.ref(circle)]
    del circle
    assert aside.turn()
    assert gc.get_freeze_count() > 0
    assert [one() is None for one in watched] == [False, True]
    now_s[0] += 59
    assert not aside.turn()
    now_s[0] += 1
    assert aside.turn()
    del kept
    assert watched[0]() is None
