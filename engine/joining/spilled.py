"""Waiting impressions that memory has no room for, in RocksDB on the disk.

The database in use belongs to one process and to nobody after it: it is not even synced. What lasts is the copy in a checkpoint, made
of hard links to files that RocksDB never changes, and a restart begins with links to those.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rocksdict import BlockBasedOptions, Cache, Checkpoint, DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

from engine.joining.impression import Impression, decode_impression, encode_impression
from engine.joining.stages import Stages

WRITE_BUFFER_BYTES: Final = 8 << 20
CACHE_BYTES: Final = 16 << 20

_BODY, _DEADLINE, _RECOMMENDATION, _USER = b"b", b"d", b"r", b"u"
_AFTER_ALL: Final = b"\xff" * 16
# Times may lie before 1970, and keys are ordered as bytes.
_SHIFT: Final = 1 << 63
_PLACE_BYTES: Final = 16

Place = tuple[int, int]
"""A time in ms, and an impression's number: what is earlier sorts first."""


class SpilledImpressions:
    """Impressions by number, found by recommendation, by user, and by when their next window ends. Not thread-safe.

    `folder` is made at the first impression. Any call raises OSError when the disk is full or a file is damaged.
    """

    def __init__(self, folder: Path, stages: Stages) -> None:
        self._folder = folder
        self._stages = stages
        self._database: Rdict | None = None
        self._first: Place | None = None
        self._is_first_known = True
        self.num_impressions = 0
        self.num_shown = 0
        self.num_bytes = 0

    def beside(self, suffix: str) -> SpilledImpressions:
        """Another one, empty, in a folder beside this one's."""
        return SpilledImpressions(self._folder.with_name(f"{self._folder.name}-{suffix}"), self._stages)

    def put(self, impressions: Iterable[Impression]) -> None:
        """Take impressions, their counters settled. The objects are of no use any more."""
        batch = WriteBatch(raw_mode=True)
        for one in impressions:
            body = encode_impression(one)
            batch.put(_body_key(one.number), body)
            number = _number(one.number)
            for key in self._index_keys(one):
                batch.put(key, number if key[:1] == _RECOMMENDATION else b"")
            self._count(one, 1, len(body))
            place = self._deadline_of(one)
            if self._first is not None:
                self._first = min(self._first, place)
            elif self._is_first_known:
                self._first = place
            one.let_go()
        with _disk_errors():
            self._opened().write(batch)

    def number_of(self, recommendation_id: str, item_id: str) -> int | None:
        """Of the impression in which this recommendation showed the item."""
        if not self.num_impressions:
            return None
        with _disk_errors():
            key = _recommendation_prefix(recommendation_id) + item_id.encode()
            found: bytes | None = self._opened().get(key)
        return None if found is None else int.from_bytes(found, "big")

    def newest_of(self, user_id: str, item_id: str) -> Place | None:
        """When the user was shown the item last, and the impression's number."""
        if not self.num_impressions:
            return None
        prefix = _user_prefix(user_id, item_id)
        with _disk_errors():
            places = self._opened().iter()
            places.seek_for_prev(prefix + _AFTER_ALL)
            key: bytes = places.key() if places.valid() else b""
        return _place(key[len(prefix) :]) if key.startswith(prefix) else None

    def numbers_of_user(self, user_id: str) -> list[int]:
        """The numbers of all impressions of the user, ascending."""
        if not self.num_impressions:
            return []
        prefix = _USER + _sized(user_id)
        numbers: set[int] = set()
        with _disk_errors():
            places = self._opened().iter()
            places.seek(prefix)
            while places.valid() and places.key().startswith(prefix):
                numbers.add(_place(places.key()[-_PLACE_BYTES:])[1])
                places.next()
        return sorted(numbers)

    def first_end(self) -> Place | None:
        """When the first of the windows ends, and the number of the impression; None when there is none."""
        if not self._is_first_known:
            self._first = self._seek_first()
            self._is_first_known = True
        return self._first

    def take(self, number: int) -> Impression:
        """Read an impression and forget it. Raises KeyError for a number that is not here."""
        database = self._opened()
        with _disk_errors():
            body: bytes | None = database.get(_body_key(number))
        if body is None:
            raise KeyError(number)
        impression = decode_impression(body)
        batch = WriteBatch(raw_mode=True)
        for key in (_body_key(number), *self._index_keys(impression)):
            batch.delete(key)
        with _disk_errors():
            database.write(batch)
        self._count(impression, -1, -len(body))
        if self._deadline_of(impression) == self._first:
            # Kept as the place to seek from: before it there are only deletions.
            self._is_first_known = False
        return impression

    def __iter__(self) -> Iterator[Impression]:
        """Every one, by number."""
        if not self.num_impressions:
            return
        places = self._opened().iter()
        places.seek(_BODY)
        while places.valid() and places.key()[:1] == _BODY:
            yield decode_impression(places.value())
            places.next()

    def save(self, folder: Path) -> None:
        """Write what is here as it is now into `folder`, which must not exist. Needs `folder` on the same file system to be cheap."""
        with _disk_errors():
            Checkpoint(self._opened()).create_checkpoint(str(folder))

    def to_json(self) -> dict[str, Any]:
        return {
            "num_impressions": self.num_impressions,
            "num_shown": self.num_shown,
            "num_bytes": self.num_bytes,
            "stages": self._stages.to_json(),
        }

    def restore(self, saved: Path, data: dict[str, Any]) -> None:
        """Begin with what `save` and `to_json` gave. Raises KeyError, ValueError or TypeError for other data."""
        self.num_impressions, self.num_shown = int(data["num_impressions"]), int(data["num_shown"])
        self.num_bytes = int(data["num_bytes"])
        _link_files(saved, self._folder)
        self._is_first_known = False

    def close(self) -> None:
        """Let go of the database and remove it; a later `put` begins a new one."""
        if self._database is not None:
            self._database.close()
            self._database = None
        shutil.rmtree(self._folder, ignore_errors=True)
        self.num_impressions = self.num_shown = self.num_bytes = 0
        self._first, self._is_first_known = None, True

    def _opened(self) -> Rdict:
        if self._database is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _disk_errors():
                self._database = Rdict(str(self._folder), _options())
                self._database.set_write_options(_unlogged())
        return self._database

    def _seek_first(self) -> Place | None:
        start = _DEADLINE if self._first is None else _DEADLINE + _pack(self._first)
        with _disk_errors():
            places = self._opened().iter()
            places.seek(start)
            key: bytes = places.key() if places.valid() else b""
        return _place(key[1:]) if key[:1] == _DEADLINE else None

    def _deadline_of(self, one: Impression) -> Place:
        end_ms = self._stages.next_end(one.waits, one.ended_ms)
        if end_ms is None:
            raise ValueError(f"impression {one.number} waits for nothing any more")
        return one.time_ms + end_ms, one.number

    def _index_keys(self, one: Impression) -> Iterator[bytes]:
        yield _DEADLINE + _pack(self._deadline_of(one))
        recommended = None if one.recommendation_id is None else _recommendation_prefix(one.recommendation_id)
        user, place = _USER + _sized(one.user_id), _pack((one.time_ms, one.number))
        for item_id in one.shown:
            if recommended is not None:
                yield recommended + item_id.encode()
            yield user + _sized(item_id) + place

    def _count(self, one: Impression, sign: int, num_bytes: int) -> None:
        self.num_impressions += sign
        self.num_shown += sign * len(one.shown)
        self.num_bytes += num_bytes


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _body_key(number: int) -> bytes:
    return _BODY + _number(number)


def _pack(place: Place) -> bytes:
    return struct.pack(">QQ", place[0] + _SHIFT, place[1])


def _place(data: bytes) -> Place:
    time, number = struct.unpack(">QQ", data)
    return time - _SHIFT, number


def _recommendation_prefix(recommendation_id: str) -> bytes:
    return _RECOMMENDATION + _sized(recommendation_id)


def _user_prefix(user_id: str, item_id: str) -> bytes:
    return _USER + _sized(user_id) + _sized(item_id)


def _sized(text: str) -> bytes:
    """With its length before it, so that no two pairs of ids give the same key."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _options() -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(Cache(CACHE_BYTES))
    # Most actions name what is not here.
    table.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(1)
    return options


def _unlogged() -> WriteOptions:
    options = WriteOptions()
    # A property, which the package's type stub has as a method.
    options.disable_wal = True  # type: ignore[method-assign, assignment]
    return options


def _link_files(source: Path, target: Path) -> None:
    """Tables are never changed and can be shared; everything else is small and copied."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        place = target / path.name
        if path.suffix == ".sst":
            try:
                os.link(path, place)
                continue
            except OSError:  # another file system
                pass
        shutil.copyfile(path, place)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """The package raises bare exceptions."""
    try:
        yield
    except Exception as error:
        raise OSError(f"the store of waiting impressions: {error}") from error
