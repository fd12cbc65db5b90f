"""A replica whose tables are not the trainer's finds out with the next delta, and gets over it by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xxhash

from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.sync.delta import decode_header, encode_delta
from tests.engine.sync.parties import TOPIC, Replica, Trainer, through, train

MakeReplica = Callable[[], Replica]
BIAS = {"bias": np.array([1.5], np.float32)}


def headers(log: MemoryLog) -> list[dict[str, int]]:
    return [decode_header(record.value).digests for record in log.read(TOPIC, 0, 0)]


def publish(trainer: Trainer, number: int) -> None:
    train(trainer.store, [number, number + 1, 1])
    trainer.publisher.publish_rows(through(number))


def test_last_delta_of_a_publish_carries_the_digests(log: MemoryLog, trainer: Trainer) -> None:
    publish(trainer, 1)
    digests = {name: table.digest() for name, table in trainer.store.tables.items()}
    assert headers(log) == [{}, digests]
    trainer.publisher.publish_rows(through(2))
    assert headers(log)[-1] == digests, "and so does one that only says how far training came"


def test_rows_touched_meanwhile_leave_the_digest_out(log: MemoryLog, trainer: Trainer) -> None:
    publish(trainer, 1)
    table = trainer.store.tables["dim8"]
    export = table.export_delta

    def export_and_train(max_rows: int) -> object:
        delta = export(max_rows)
        train(trainer.store, [77])
        return delta

    table.export_delta = export_and_train  # type: ignore[method-assign,assignment]
    train(trainer.store, [1])
    trainer.publisher.publish_rows(through(2))
    assert headers(log)[-1] == {}


def test_replica_that_differs_says_so_and_loads_a_snapshot(trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    assert replica.applier.status().verified_sequence == 2, "the last delta of a publish is the one that is compared"
    replica.applier.store.tables["dim8"].upsert(np.array([1], np.uint64), np.full((1, 8), 9.0, np.float32))
    publish(trainer, 2)
    # row 1 was in that delta too, so nothing differs any more
    replica.follow()
    assert replica.applier.status().waiting_for_snapshot is None
    replica.applier.store.tables["dim8"].upsert(np.array([2], np.uint64), np.full((1, 8), 9.0, np.float32))
    publish(trainer, 5)
    replica.follow()
    status = replica.applier.status()
    assert (status.waiting_for_snapshot, status.sequence) == ("digest", 6)
    assert "the digest of dim8 is" in (status.last_error or "")
    trainer.write_snapshot(through(5), BIAS)
    publish(trainer, 6)
    replica.follow()
    assert replica.applier.store.digest() == trainer.store.digest()
    assert replica.applier.status().resyncs_by_cause == {"digest": 1}


def test_row_that_the_trainer_lost_is_not_served_for_ever(
    log: MemoryLog, make_replica: MakeReplica, trainer: Trainer
) -> None:
    """A trainer that came back without a row that it had published: replicas hold it until the digests say so."""
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    restarted = Trainer(log, trainer.snapshots)
    publish(restarted, 5)
    replica.follow()
    assert replica.applier.status().waiting_for_snapshot == "digest"
    restarted.write_snapshot(through(5), BIAS)
    replica.follow()
    assert replica.applier.store.digest() == restarted.store.digest()


def test_delta_without_digests_is_applied_as_before(
    log: MemoryLog, trainer: Trainer, make_replica: MakeReplica
) -> None:
    """Those that an older trainer left in the log."""
    publish(trainer, 1)
    stored = log.read(TOPIC, 0, 0)
    older = MemoryLog()
    older.create_topic(TOPIC)
    for record in stored:
        header = decode_header(record.value).model_copy(update={"digests": {}})
        body = record.value[8 + int.from_bytes(record.value[4:8], "little") : -8]
        value = encode_delta(header, body).replace(b',"digests":{}', b"")
        assert b"digests" not in value
        unsigned = (
            value[:4]
            + (int.from_bytes(value[4:8], "little") - len(b',"digests":{}')).to_bytes(4, "little")
            + value[8:-8]
        )
        older.append(TOPIC, [Record("rows", _signed(unsigned), 0)])
    replica = Replica(older, trainer.snapshots)
    replica.follow()
    assert replica.applier.store.digest() == trainer.store.digest()


def _signed(unsigned: bytes) -> bytes:
    return unsigned + xxhash.xxh64_intdigest(unsigned).to_bytes(8, "little")
