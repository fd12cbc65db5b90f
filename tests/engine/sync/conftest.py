"""One log, a trainer that publishes to it, and as many replicas as a test wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.streams.memory import MemoryLog
from tests.engine.sync.parties import Replica, Trainer


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def trainer(log: MemoryLog, tmp_path: Path) -> Trainer:
    return Trainer(log, tmp_path / "snapshots")


@pytest.fixture
def make_replica(log: MemoryLog, tmp_path: Path) -> Callable[[], Replica]:
    return lambda: Replica(log, tmp_path / "snapshots")
