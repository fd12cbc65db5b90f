"""Users' state kept across restarts: checkpoints in a replica's own folder, written beside the requests."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from engine.checkpoint.folder import newest_folder, write_folder
from engine.checkpoint.manifest import read_manifest
from engine.errors import CorruptRecord, UnknownTopic
from engine.joining.counter_checkpoint import newest_histories
from engine.serving.user_state import UserState
from engine.serving.user_state_files import UserStateCopy, load_into, load_joined
from engine.spec.erasure import Erased
from engine.streams.log import EventLog

CHECKPOINT_EVERY_S: Final = 30.0
_SHARE_OF_TIME: Final = 0.05
_KEEP: Final = 2
_PAUSE_S: Final = 0.0002

logger = logging.getLogger(__name__)


class UserStateKeeper:
    """Writes a checkpoint every `every_s`, and less often where writing takes more than a twentieth of the time.

    For the thread that notes events, which only copies what is to be written. `clock` and `stopwatch` in seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float],
        every_s: float = CHECKPOINT_EVERY_S,
        stopwatch: Callable[[], float] = time.perf_counter,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._every_s = every_s
        self._stopwatch = stopwatch
        self._pause = pause
        self._next_s = clock() + every_s
        self._written: dict[int, int] = {}
        self._writing: threading.Thread | None = None

    def keep_if_due(self, state: UserState) -> None:
        """Begin a checkpoint if it is time, none is being written, and there is something new. A failure is logged and tried again."""
        is_writing = self._writing is not None and self._writing.is_alive()
        if is_writing or self._clock() < self._next_s or state.next_offsets == self._written:
            return
        copy = UserStateCopy.of(state, self._let_others)
        self._writing = threading.Thread(target=self._write, args=(copy,), name="user-state", daemon=True)
        self._writing.start()

    def keep(self, state: UserState) -> None:
        """Write a checkpoint now, after the one that is being written."""
        self.wait()
        if state.next_offsets != self._written:
            self._write(UserStateCopy.of(state, self._let_others))

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._writing is not None:
            self._writing.join()

    def _let_others(self) -> None:
        self._pause(_PAUSE_S)

    def _write(self, copy: UserStateCopy) -> None:
        started_s = self._stopwatch()
        try:
            write_folder(
                self._directory,
                f"{int(self._clock() * 1000):016d}",
                lambda folder: copy.save(folder, self._let_others),
                copy.meta,
                keep=_KEEP,
            )
            self._written = copy.next_offsets
        except Exception:
            logger.exception("users' state could not be written to %s", self._directory)
        took_s = self._stopwatch() - started_s
        self._next_s = self._clock() + max(self._every_s, took_s / _SHARE_OF_TIME)


def restored(
    new_state: Callable[[], UserState],
    *,
    directory: Path | None,
    joiner_directory: Path | None,
    log: EventLog,
    topic: str,
) -> UserState:
    """The state to go on from: the replica's own checkpoint; where there is none of use, or events after it were trimmed, the histories in
    the joiner's; else a new one. What was chosen, and why another was not, is logged. Raises `LogError`."""
    earliest, ends = _bounds(log, topic)
    own = None if directory is None else _own(new_state, directory, ends)
    num_trimmed = 0 if own is None else _num_behind(own.next_offsets, earliest)
    if own is not None and not num_trimmed:
        return own
    if num_trimmed:
        logger.warning("%s: %d events after the checkpoint of users' state were trimmed unread", topic, num_trimmed)
    joined = None if joiner_directory is None else _joined(new_state, joiner_directory, ends)
    if joined is not None and (own is None or _num_behind(joined.next_offsets, earliest) < num_trimmed):
        logger.info(
            "%s: users' histories are those of the joiner's checkpoint, of %d users", topic, len(joined.actions)
        )
        return joined
    if own is None:
        logger.info("%s: no checkpoint of users' state: it starts with the last events", topic)
        return new_state()
    return own


def _own(new_state: Callable[[], UserState], directory: Path, ends: Mapping[int, int]) -> UserState | None:
    try:
        folder = newest_folder(directory)
        if folder is None:
            return None
        state = new_state()
        load_into(state, folder, read_manifest(folder).meta)
    except (CorruptRecord, OSError) as error:
        logger.warning("users' state in %s is of no use: %s", directory, error)
        return None
    return state if _is_of_this_log(state.next_offsets, ends, directory) else None


def _joined(new_state: Callable[[], UserState], directory: Path, ends: Mapping[int, int]) -> UserState | None:
    found = newest_histories(directory)
    if found is None:
        return None
    state = new_state()
    try:
        load_joined(state, found.table, found.event_offsets)
    except CorruptRecord as error:
        logger.warning("histories of the joiner in %s are of no use: %s", directory, error)
        return None
    # What the joiner has forgotten this state never knew.
    state.erased = [Erased(one.erasure, one.partition) for one in found.erased]
    return state if _is_of_this_log(state.next_offsets, ends, directory) else None


def _is_of_this_log(next_offsets: Mapping[int, int], ends: Mapping[int, int], directory: Path) -> bool:
    beyond = {one: offset for one, offset in next_offsets.items() if offset > ends.get(one, 0)}
    if beyond:
        logger.warning(
            "users' state in %s is of another log: it has read to %s, which ends at %s", directory, beyond, ends
        )
    return not beyond


def _num_behind(next_offsets: Mapping[int, int], earliest: Mapping[int, int]) -> int:
    return sum(max(0, first - next_offsets.get(one, 0)) for one, first in earliest.items())


def _bounds(log: EventLog, topic: str) -> tuple[dict[int, int], dict[int, int]]:
    try:
        return dict(log.earliest_offsets(topic)), dict(log.end_offsets(topic))
    except UnknownTopic:
        return {}, {}
