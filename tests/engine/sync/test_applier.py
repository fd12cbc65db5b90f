"""A replica starts by itself, follows, and gets over every kind of damage by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.sync.delta import decode_header, encode_delta
from tests.engine.sync.parties import TOPIC, Replica, Trainer, through, train

MakeReplica = Callable[[], Replica]
BIAS = {"bias": np.array([1.5], np.float32)}


def damage(log: MemoryLog, offset: int) -> None:
    """Flip a bit of a record where it lies."""
    held = log._topics[TOPIC][0]
    place = offset - held.earliest
    stored = held.records[place]
    held.records[place] = replace(
        stored, value=stored.value[:-20] + bytes([stored.value[-20] ^ 1]) + stored.value[-19:]
    )


def same(replica: Replica, trainer: Trainer) -> bool:
    return replica.applier.store.digest() == trainer.store.digest()


def publish(trainer: Trainer, number: int) -> None:
    train(trainer.store, [number, number + 1, 1])
    trainer.publisher.publish_rows(through(number))


def test_a_replica_follows_from_the_first_delta(trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    for number in range(1, 5):
        publish(trainer, number)
        trainer.publisher.publish_dense(BIAS, through(number))
        replica.follow()
        assert same(replica, trainer)
    status = replica.applier.status()
    assert (status.sequence, status.trainer_sequence, status.is_ready) == (12, 12, True)
    assert status.trained_through == through(4)
    assert status.num_deltas_applied == 12
    assert status.num_rows_applied == 22  # 2 tables: 2 rows of the first call, then 3 of each
    assert (status.num_resyncs, status.last_error) == (0, None)
    assert replica.weights["bias"].tolist() == [1.5]


def test_its_age_is_that_of_the_newest_delta(trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    assert replica.applier.status().age_s is None
    publish(trainer, 1)
    replica.follow()
    assert replica.applier.status().age_s == 4.0


def test_before_anything_was_published_it_waits_and_is_not_ready(
    log: MemoryLog, trainer: Trainer, make_replica: MakeReplica, tmp_path: Path
) -> None:
    replica = make_replica()
    replica.applier.poll(0.5)
    assert not replica.applier.status().is_ready
    nowhere = Replica(MemoryLog(), tmp_path)
    nowhere.applier.poll(0.5)
    assert not nowhere.applier.status().is_ready
    assert replica.slept_s == nowhere.slept_s == [0.5]


def test_it_starts_from_the_newest_snapshot_and_goes_on_from_there(trainer: Trainer, make_replica: MakeReplica) -> None:
    publish(trainer, 1)
    trainer.write_snapshot(through(1), BIAS)
    trainer.publisher.trim_before(trainer.publisher.next_offset)
    publish(trainer, 2)
    replica = make_replica()
    replica.follow()
    assert same(replica, trainer)
    status = replica.applier.status()
    assert (status.sequence, status.num_deltas_applied, status.num_resyncs) == (4, 2, 0)
    assert replica.weights["bias"].tolist() == [1.5]


def test_a_snapshot_written_before_the_first_delta_is_what_that_delta_builds_on(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    replica.follow()
    train(trainer.store, [5, 6, 7])
    for table in trainer.store.tables.values():
        table.forget_touched()
    trainer.write_snapshot(through(1), BIAS)
    publish(trainer, 2)
    replica.follow()
    assert same(replica, trainer)


def test_a_repeated_delta_is_ignored(log: MemoryLog, trainer: Trainer, make_replica: MakeReplica) -> None:
    publish(trainer, 1)
    old = log.read(TOPIC, 0, 0)
    publish(trainer, 2)
    log.append(TOPIC, [Record(one.key, one.value, one.timestamp_ms) for one in old])
    replica = make_replica()
    replica.follow()
    assert same(replica, trainer)
    assert replica.applier.status().num_repeats == 2


def test_a_damaged_delta_leads_to_a_resync_from_a_snapshot_beyond_it(
    log: MemoryLog, trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    publish(trainer, 1)
    trainer.write_snapshot(through(1), BIAS)
    publish(trainer, 2)
    damage(log, 2)
    replica.follow()
    before = replica.applier.status()
    assert (before.sequence, before.waiting_for_snapshot, before.trainer_sequence) == (2, "corrupt", 4)
    assert "checksum" in (before.last_error or "")
    trainer.write_snapshot(through(2), BIAS)
    publish(trainer, 3)
    replica.follow()
    assert same(replica, trainer)
    status = replica.applier.status()
    assert (status.num_resyncs, status.resyncs_by_cause, status.waiting_for_snapshot) == (1, {"corrupt": 1}, None)


def test_a_replica_waiting_for_a_snapshot_keeps_what_it_has(
    log: MemoryLog, trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    digest = replica.applier.store.digest()
    publish(trainer, 2)
    damage(log, 2)
    for _ in range(3):
        replica.applier.poll(0.25)
    assert replica.applier.store.digest() == digest
    assert replica.applier.status().is_ready
    assert replica.slept_s == [0.25, 0.25]


def test_a_gap_leads_to_a_resync(log: MemoryLog, trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    header = decode_header(log.read(TOPIC, 0, 1)[0].value)
    ahead = header.model_copy(update={"sequence": 9, "previous_sequence": 8, "table": "", "num_upserts": 0})
    log.append(TOPIC, [Record("rows", encode_delta(ahead), 0)])
    replica.follow()
    assert replica.applier.status().waiting_for_snapshot == "gap"
    restarted = Trainer(log, trainer.snapshots)
    train(restarted.store, [1, 2, 3])
    restarted.write_snapshot(through(2), BIAS)
    replica.follow()
    assert same(replica, restarted)
    assert replica.applier.status().resyncs_by_cause == {"gap": 1}


def test_deltas_trimmed_before_they_were_read_lead_to_a_resync(trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    for number in range(2, 5):
        publish(trainer, number)
    trainer.write_snapshot(through(4), BIAS)
    trainer.publisher.trim_before(trainer.publisher.next_offset)
    replica.follow()
    assert same(replica, trainer)
    assert replica.applier.status().resyncs_by_cause == {"trimmed": 1}


def test_a_published_snapshot_replaces_everything(trainer: Trainer, make_replica: MakeReplica) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    train(trainer.store, [50, 51])
    for table in trainer.store.tables.values():
        table.forget_touched()
    folder = trainer.write_snapshot(through(2), BIAS)
    trainer.publisher.publish_snapshot(folder, through(2))
    replica.follow()
    assert same(replica, trainer)
    assert (replica.applier.status().sequence, replica.applier.status().num_resyncs) == (3, 0)
    publish(trainer, 3)
    replica.follow()
    assert same(replica, trainer)


def test_a_published_snapshot_it_started_from_is_not_loaded_again(trainer: Trainer, make_replica: MakeReplica) -> None:
    publish(trainer, 1)
    folder = trainer.write_snapshot(through(2), BIAS)
    trainer.publisher.publish_snapshot(folder, through(2))
    replica = make_replica()
    replica.applier.poll()
    store = replica.applier.store
    replica.follow()
    assert replica.applier.store is store
    assert replica.applier.status().sequence == 3


def test_a_published_snapshot_that_is_gone_is_replaced_by_a_newer_one(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    publish(trainer, 1)
    folder = trainer.write_snapshot(through(2), BIAS)
    trainer.publisher.publish_snapshot(folder, through(2))
    shutil.rmtree(folder)
    replica.follow()
    assert replica.applier.status().waiting_for_snapshot == "corrupt"
    trainer.write_snapshot(through(2), BIAS)
    replica.follow()
    assert same(replica, trainer)


def test_a_damaged_newest_snapshot_is_passed_over_for_the_one_before(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    publish(trainer, 1)
    trainer.write_snapshot(through(1), BIAS)
    publish(trainer, 2)
    newest = trainer.write_snapshot(through(2), BIAS)
    (newest / "dim2.arrow").write_bytes(b"damaged")
    replica = make_replica()
    replica.follow()
    assert same(replica, trainer)


def test_a_delta_that_does_not_fit_the_model_is_damage_not_a_crash(
    log: MemoryLog, trainer: Trainer, make_replica: MakeReplica
) -> None:
    publish(trainer, 1)
    stored = log.read(TOPIC, 0, 0)[0]
    header = decode_header(stored.value)
    body = stored.value[8 + int.from_bytes(stored.value[4:8], "little") : -8]
    for table, reason in (("dim64", "does not have"), ("dim8", "does not fit")):
        wrong = header.model_copy(update={"sequence": 3, "previous_sequence": 2, "table": table})
        log.append(TOPIC, [Record("rows", encode_delta(wrong, body), 0)])
        replica = make_replica()
        replica.follow()
        assert reason in (replica.applier.status().last_error or "")
        assert replica.applier.status().sequence == 2
        log._topics[TOPIC][0].records.pop()


def test_a_replica_far_behind_takes_the_snapshot_that_spares_it_most_deltas(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    publish(trainer, 1)
    slow = make_replica()
    slow.follow()
    for number in range(2, 152):
        publish(trainer, number)
    slow.applier.poll()  # only now does it know how far behind it is
    trainer.publisher.publish_dense(BIAS, through(151))
    trainer.write_snapshot(through(151), BIAS)
    publish(trainer, 152)
    slow.follow()
    status = slow.applier.status()
    assert same(slow, trainer)
    assert (status.sequence, status.resyncs_by_cause) == (trainer.publisher.sequence, {"behind": 1})
    assert status.num_deltas_applied < 40
    assert (status.waiting_for_snapshot, status.last_error) == (None, None)


def test_a_replica_far_behind_goes_on_by_deltas_when_no_snapshot_is_of_use(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    publish(trainer, 1)
    trainer.write_snapshot(through(1), BIAS)
    slow = make_replica()
    slow.follow()
    for number in range(2, 152):
        publish(trainer, number)
    slow.follow()
    assert same(slow, trainer)
    assert slow.applier.status().num_resyncs == 0


def test_a_replica_far_behind_is_not_held_up_by_a_damaged_snapshot(
    trainer: Trainer, make_replica: MakeReplica, tmp_path: Path
) -> None:
    publish(trainer, 1)
    slow = make_replica()
    slow.follow()
    for number in range(2, 152):
        publish(trainer, number)
    folder = trainer.write_snapshot(through(151), BIAS)
    (folder / "dim2.arrow").write_bytes(b"no table")
    slow.follow()
    assert same(slow, trainer)
    assert slow.applier.status().num_resyncs == 0


def test_a_resync_that_is_asked_for_begins_with_the_newest_snapshot_and_ends_where_it_was(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    publish(trainer, 1)
    trainer.publisher.publish_dense(BIAS, through(1))
    trainer.write_snapshot(through(1), BIAS)
    for number in range(2, 30):
        publish(trainer, number)
    replica.follow()
    store, sequence = replica.applier.store, replica.applier.status().sequence
    assert sequence > 3 * 16  # more than one read brings
    replica.applier.ask_resync()
    replica.applier.poll()
    status = replica.applier.status()
    assert (status.sequence, status.resyncs_by_cause, status.num_resyncs) == (sequence, {"asked": 1}, 1)
    assert replica.applier.store is not store
    assert same(replica, trainer)
    replica.applier.poll()
    assert replica.applier.status().num_resyncs == 1


def test_a_resync_without_a_snapshot_waits_for_one_and_follows_meanwhile(
    trainer: Trainer, make_replica: MakeReplica
) -> None:
    replica = make_replica()
    publish(trainer, 1)
    replica.follow()
    replica.applier.ask_resync()
    publish(trainer, 2)
    replica.follow()
    assert same(replica, trainer)
    assert replica.applier.status().num_resyncs == 0
    trainer.write_snapshot(through(2), BIAS)
    replica.applier.poll()
    assert replica.applier.status().num_resyncs == 1
    assert same(replica, trainer)
