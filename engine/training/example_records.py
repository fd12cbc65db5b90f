"""Examples in a file of our own, as the topic would hold them: what a file of events was joined into."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from engine.errors import CorruptRecord
from engine.spec.example import Example
from engine.streams.log import StoredRecord
from engine.training.read_only_log import ReadOnlyLog

RECORDS: Final = "records.bin"
PLACES: Final = "places.bin"
META: Final = "joined.json"

_PLACE: Final = np.dtype([("end", "<i8"), ("time_ms", "<i8")])


class ExampleRecords(ReadOnlyLog):
    """The records of a folder that `RecordWriter` finished. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Raises `CorruptRecord` for a folder that was not finished, or is damaged."""
        super().__init__(folder.name)
        try:
            self.meta: dict[str, Any] = orjson.loads((folder / META).read_bytes())
            self._places: npt.NDArray[Any] = (
                np.memmap(folder / PLACES, _PLACE, "r") if self.meta["num_records"] else _none()
            )
            self._file: IO[bytes] = (folder / RECORDS).open("rb")
        except (OSError, ValueError, KeyError) as error:
            raise CorruptRecord(f"{folder} holds no joined examples: {error}") from error
        size = int(self._places["end"][-1]) if self._places.size else 0
        if self._places.size != self.meta["num_records"] or os.fstat(self._file.fileno()).st_size != size:
            raise CorruptRecord(f"{folder} is not as long as it says")

    @property
    def num_rows(self) -> int:
        return int(self._places.size)

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:  # noqa: ARG002
        """The first record whose event time is at or after `timestamp_ms`, or the number of records."""
        late = np.flatnonzero(self._places["time_ms"] >= timestamp_ms)
        return int(late[0]) if late.size else self.num_rows

    def read(
        self,
        topic: str,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        offset: int,
        max_records: int = 1000,
        timeout_s: float = 0.0,  # noqa: ARG002
    ) -> list[StoredRecord]:
        ends = self._places["end"][offset : offset + max_records].tolist()
        if not ends:
            return []
        start = int(self._places["end"][offset - 1]) if offset else 0
        self._file.seek(start)
        data = self._file.read(ends[-1] - start)
        times = self._places["time_ms"][offset : offset + max_records].tolist()
        records, begin = [], 0
        for place, (end, time_ms) in enumerate(zip(ends, times, strict=True)):
            records.append(StoredRecord(0, offset + place, "", data[begin : end - start], time_ms))
            begin = end - start
        return records

    def close(self) -> None:
        self._file.close()


class RecordWriter:
    """Writes a folder of examples; without `finish` it is none. What is there already is written over."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / META).unlink(missing_ok=True)
        self._records: IO[bytes] = (folder / RECORDS).open("wb")
        self._places: IO[bytes] = (folder / PLACES).open("wb")
        self._end = 0
        self.num_records = 0

    def write(self, examples: Iterable[Example]) -> None:
        """Append, in order."""
        data = [(example.to_bytes(), example.event_time_ms) for example in examples]
        if not data:
            return
        places = np.zeros(len(data), _PLACE)
        places["end"] = self._end + np.cumsum([len(one) for one, _ in data])
        places["time_ms"] = [time_ms for _, time_ms in data]
        self._records.write(b"".join(one for one, _ in data))
        self._places.write(places.tobytes())
        self._end = int(places["end"][-1])
        self.num_records += len(data)

    def finish(self, meta: dict[str, Any]) -> None:
        """Make it whole: the folder is one from now on, whatever happens. Raises OSError."""
        for file in (self._records, self._places):
            file.flush()
            os.fsync(file.fileno())
        self.close()
        aside = self._folder / f"{META}.part"
        with aside.open("wb") as file:
            file.write(orjson.dumps(meta | {"num_records": self.num_records}))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._folder / META)

    def close(self) -> None:
        self._records.close()
        self._places.close()


def _none() -> npt.NDArray[Any]:
    return np.empty(0, _PLACE)
