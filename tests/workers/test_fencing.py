"""A trainer that was stopped for longer than its lease, with leases in a real PostgreSQL: it leaves no trace."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import LeaseLost
from engine.streams import topics
from engine.streams.fencing import Fence
from engine.streams.log import EventLog
from engine.sync.delta import decode_header
from engine.training.online import OnlineTrainer
from tests.engine.training.made import FakeClock, append_examples, make_definition, make_examples
from webapp.accounts.models import Project
from webapp.core.models import Lease
from workers.leases import LEASE_TTL_S, DatabaseLeases, HeldLease

# A checkpoint's thread asks for the lease over a connection of its own, which sees what was committed.
pytestmark = pytest.mark.django_db(transaction=True)

MakeTrainer = Callable[..., OnlineTrainer]
PARAMS = topics.params("shop", "m", 1)


class Stopped:
    """The monotonic clock of a process; it stands still, as when the machine is suspended, unless told to move."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def take(holder: str, clock: Callable[[], float]) -> HeldLease:
    token = DatabaseLeases().acquire("trainer:1", holder, LEASE_TTL_S)
    assert token is not None
    return HeldLease(DatabaseLeases(), name="trainer:1", holder=holder, token=token, clock=clock)


def let_the_lease_run_out() -> None:
    Lease.objects.update(expires_at="2000-01-01T00:00Z")


@pytest.fixture
def trainer_of(log: EventLog, project: Project, tmp_path: Path) -> MakeTrainer:
    definition = make_definition("deepfm", training={"checkpoint_every_s": 5.0, "evaluate_fraction": 0.0})

    def make(clock: FakeClock, lease: HeldLease, fence: Callable[[], None] | None = None) -> OnlineTrainer:
        return OnlineTrainer(definition, log, "shop", "m", 1, tmp_path, clock=clock, fence=fence or lease.fence)

    return make


@pytest.mark.parametrize("counts_while_stopped", [True, False])
def test_trainer_that_slept_through_its_lease_publishes_and_saves_nothing(
    log: EventLog,
    tmp_path: Path,
    trainer_of: MakeTrainer,
    counts_while_stopped: bool,
) -> None:
    """Whether or not its own clock went on meanwhile."""
    append_examples(log, "shop", make_examples(200))
    clock, monotonic = FakeClock(), Stopped()
    slept = trainer_of(clock, take("first", monotonic))
    slept.poll(0.0)

    let_the_lease_run_out()
    successor = trainer_of(clock, take("second", Stopped()))
    for _ in range(4):
        clock.now_s += 2.0
        successor.poll(0.0)
    successor.close()
    ends, saved = log.end_offsets(PARAMS), sorted(tmp_path.rglob("*"))

    clock.now_s += 30.0
    monotonic.now_s += 30.0 if counts_while_stopped else 0.0
    for act in (lambda: slept.poll(0.0), slept.close, slept.publication.checkpoint, slept.publication.publish_snapshot):
        with pytest.raises(LeaseLost):
            act()
    assert log.end_offsets(PARAMS) == ends
    assert sorted(tmp_path.rglob("*")) == saved


def test_trainer_that_slept_in_the_midst_of_a_checkpoint_does_not_put_it_in_place(
    log: EventLog, tmp_path: Path, trainer_of: MakeTrainer
) -> None:
    append_examples(log, "shop", make_examples(64))
    lease = take("first", Stopped())
    trainer = trainer_of(FakeClock(), lease)
    trainer.poll(0.0)
    let_the_lease_run_out()
    with pytest.raises(LeaseLost):
        trainer.state.save(tmp_path, 1, lease.fence)
    assert list((tmp_path / "checkpoints").iterdir()) == []


class FallsAsleep:
    """Looks at the lease, and before anything else happens the machine is suspended: then `meanwhile` takes place."""

    def __init__(self, lease: HeldLease) -> None:
        self.fence = Fence(self._look, lease.token)
        self.meanwhile: Callable[[], None] | None = None
        self._lease = lease

    def _look(self) -> None:
        self._lease.fence()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


def test_trainer_that_fell_asleep_after_its_last_look_cannot_append(
    log: EventLog, tmp_path: Path, trainer_of: MakeTrainer
) -> None:
    append_examples(log, "shop", make_examples(200))
    clock = FakeClock()
    first = take("first", Stopped())
    sleeper = FallsAsleep(first)
    slept = trainer_of(clock, first, sleeper.fence)
    successors: list[OnlineTrainer] = []

    def meanwhile() -> None:
        let_the_lease_run_out()
        successors.append(trainer_of(clock, take("second", Stopped())))
        successors[0].poll(0.0)

    sleeper.meanwhile = meanwhile
    with pytest.raises(LeaseLost):
        slept.poll(0.0)
    epochs = [decode_header(record.value).epoch for record in log.read(PARAMS, 0, 0)]
    assert epochs and set(epochs) == {successors[0].publication.publisher.epoch}
    assert slept.state.store.num_touched > 0, "what did not go out is still to be published"


def test_trainer_that_fell_asleep_before_the_rename_does_not_put_its_checkpoint_in_place(
    log: EventLog, tmp_path: Path, trainer_of: MakeTrainer
) -> None:
    append_examples(log, "shop", make_examples(64))
    first = take("first", Stopped())
    sleeper = FallsAsleep(first)
    slept = trainer_of(FakeClock(), first, sleeper.fence)
    slept.poll(0.0)
    places = iter((1, 2, 3, 4))

    def meanwhile() -> None:
        # the last look of all is the one that the rename follows
        if next(places) < 2:
            sleeper.meanwhile = meanwhile
            return
        let_the_lease_run_out()
        trainer_of(FakeClock(), take("second", Stopped()))

    sleeper.meanwhile = meanwhile
    with pytest.raises(LeaseLost):
        slept.state.save(tmp_path, 1, sleeper.fence)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_trainer_whose_folder_its_successor_cleared_away_says_that_it_lost_its_lease(
    log: EventLog, tmp_path: Path, trainer_of: MakeTrainer
) -> None:
    append_examples(log, "shop", make_examples(128))
    first = take("first", Stopped())
    slept_fence = Fence(lambda: None, first.token)
    slept = trainer_of(FakeClock(), first, slept_fence)
    slept.poll(0.0)
    base = slept.state.save(tmp_path, 1)
    slept.poll(0.0)
    cut = slept.state.cut(2, after=base)
    let_the_lease_run_out()
    trainer_of(FakeClock(), take("second", Stopped()))
    shutil.rmtree(base)
    with pytest.raises(LeaseLost):
        cut.write(tmp_path, slept_fence)


def test_trainer_that_begins_after_its_successor_is_refused(
    log: EventLog, tmp_path: Path, trainer_of: MakeTrainer
) -> None:
    """It slept between getting its lease and beginning."""
    first = take("first", Stopped())
    let_the_lease_run_out()
    trainer_of(FakeClock(), take("second", Stopped()))
    with pytest.raises(LeaseLost):
        trainer_of(FakeClock(), first, Fence(lambda: None, first.token))
