"""What can happen to a running Freshet: deaths, sleeps, a full disk, a broken delta, doubled and reordered deliveries."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from deploy.launcher import supervision
from engine.streams import topics
from engine.streams.log import Record
from tests.chaos.machine_clock import MachineClock
from tests.chaos.network import cut_off
from tests.chaos.subject import Subject
from tests.chaos.traffic import Traffic
from webapp.core import selectors
from webapp.core.log import event_log
from webapp.serving.models import Replica

FIND_PATIENCE_S = 60.0
FULL_DISK_BYTES = 4096
NUM_DELIVERED = 20
HOUR_MS = 3_600_000
UNDATED_AFTER_S = 2.0


@dataclass(frozen=True)
class Fault:
    """`happen` returns when it is over, and answers what it hit. `silences` says that nobody can answer while it lasts."""

    name: str
    happen: Callable[[], str]
    silences: bool = False


@dataclass(frozen=True)
class Process:
    """Somebody who can be hit. `find` answers every process id of it, the first of which is killed; () while it is away."""

    name: str
    find: Callable[[], tuple[int, ...]]
    silences: bool = False


def processes(
    data_dir: Path, launcher_pid: int, subject: Subject, kafka_pid: Callable[[], int | None]
) -> dict[str, Process]:
    """Each process of the product, and its servers, by name."""
    run_folder = data_dir / "run"

    def program(name: str) -> Callable[[], tuple[int, ...]]:
        return lambda: _one(_program_pid(run_folder, name))

    def server(name: str) -> Callable[[], tuple[int, ...]]:
        return lambda: _with_children(launcher_pid, name)

    found = [
        Process("trainer", lambda: _one(_lease_pid(subject.run.lease_name))),
        Process("joiner", lambda: _one(_lease_pid(f"joiner:{subject.project.pk}"))),
        *(Process(name, program(name)) for name in ("replica-1", "worker-trainer", "worker-joiner")),
        *(Process(name, program(name)) for name in ("worker-periodic", "beat")),
        *(Process(name, program(name)) for name in ("web-1", "web-2")),
        Process("postgres", server("postgres"), silences=True),
        Process("redis", server("redis-server")),
    ]
    if kafka_pid() is not None:
        found.append(Process("kafka", lambda: _one(kafka_pid())))
    return {process.name: process for process in found}


def death(*victims: Process) -> Fault:
    """kill -9, of all at once."""

    def happen() -> str:
        found = [_wait_for(victim)[0] for victim in victims]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return ", ".join(map(str, found))

    return Fault("kill " + " and ".join(v.name for v in victims), happen, any(v.silences for v in victims))


def sleep(victim: Process, for_s: float) -> Fault:
    """SIGSTOP to all of its processes, and SIGCONT after a while."""

    def happen() -> str:
        found = _wait_for(victim)
        _signal(found, signal.SIGSTOP)
        try:
            time.sleep(for_s)
        finally:
            _signal(found, signal.SIGCONT)
        return ", ".join(map(str, found))

    return Fault(f"stop {victim.name} for {for_s:g} s", happen, victim.silences)


def full_disk(trainer: Process, for_s: float) -> Fault:
    """The trainer can write no file of more than a page: its checkpoints and snapshots fail as on a full disk."""

    def happen() -> str:
        pid = _wait_for(trainer)[0]
        with contextlib.suppress(ProcessLookupError), _file_limit(pid, FULL_DISK_BYTES):
            time.sleep(for_s)
        return str(pid)

    return Fault(f"full disk for {for_s:g} s", happen)


def broken_delta(subject: Subject) -> Fault:
    """A record that is no delta where replicas expect the next one."""
    version = subject.run.model_version

    def happen() -> str:
        topic = topics.params(subject.project.slug, version.model.name, version.version)
        newest = max(event_log().end_offsets(topic).values())
        place = event_log().append(topic, [Record("rows", os.urandom(512), int(time.time() * 1000))])
        return f"offset {place[0].offset}, at or after {newest}"

    return Fault("broken delta", happen)


def doubled_and_reordered(subject: Subject, delivered: Callable[[list[dict[str, object]]], None]) -> Fault:
    """Straight into the topic, as another producer does: each event twice, the click before what it is a click on.

    `delivered` is told the distinct events.
    """

    def happen() -> str:
        events: list[dict[str, object]] = []
        for number in range(NUM_DELIVERED):
            common = {"user_id": uuid.uuid4().hex, "recommendation_id": uuid.uuid4().hex}
            now_ms, item = int(time.time() * 1000), f"i{number}"
            shown = {**common, "event_id": uuid.uuid4().hex, "type": "impression", "items": [item], "timestamp": now_ms}
            click = {**common, "event_id": uuid.uuid4().hex, "type": "click", "item_id": item, "timestamp": now_ms}
            events += [click, shown]
        records = [
            Record(str(event["user_id"]), orjson.dumps(event), int(time.time() * 1000))
            for event in events
            for _ in range(2)
        ]
        event_log().append(topics.events(subject.project.slug), records)
        delivered(events)
        return f"{len(records)} records"

    return Fault("doubled and reordered delivery", happen)


def clock_jump(post: Callable[[list[dict[str, object]], int], list[dict[str, object]]]) -> Fault:
    """A client whose clock is an hour ahead, then one whose clock is an hour behind. `post` is given events and the shift in ms.

    They show and do not click: when such a click counts as late is the joiner's rule, and has tests of its own.
    """

    def happen() -> str:
        for shift_ms in (HOUR_MS, -HOUR_MS):
            shown: dict[str, object] = {
                "event_id": uuid.uuid4().hex,
                "user_id": uuid.uuid4().hex,
                "type": "impression",
                "items": ["i1", "i2"],
            }
            post([shown], shift_ms)
        return "2 impressions"

    return Fault("client clocks an hour ahead and behind", happen)


def partition(replica: str, for_s: float) -> Fault:
    """The replica lives, follows and reports; whoever asks it gets no answer, nor a refusal."""

    def happen() -> str:
        port = int(Replica.objects.get(name=replica).address.rpartition(":")[2])
        with cut_off(port):
            time.sleep(for_s)
        return f"port {port}"

    return Fault(f"no network to {replica} for {for_s:g} s", happen)


def machine_clock_jump(clock: MachineClock, traffic: Traffic, by_s: float) -> Fault:
    """Every process of the machine, PostgreSQL too, finds another wall clock from one instant to the next. It stays so.

    From then on events are dated by who receives them: what a machine with a wrong clock makes of clients with right ones is not counted.
    """

    def happen() -> str:
        traffic.is_dated = False
        time.sleep(UNDATED_AFTER_S)
        clock.jump(by_s)
        return f"the clock is {clock.offset_s:+g} s off"

    return Fault(f"machine clock {abs(by_s):g} s {'ahead' if by_s > 0 else 'back'}", happen)


def _program_pid(run_folder: Path, program: str) -> int | None:
    """A supervised process, as supervisord knows it."""
    state, pid = supervision.states(run_folder).get(program, ("", 0))
    return pid if state in {"RUNNING", "STARTING"} and pid else None


def _lease_pid(lease_name: str) -> int | None:
    """The process that holds a lease, when it is alive: a killed one's lease stays for its last seconds."""
    lease = selectors.lease_holder(name=lease_name)
    pid = int(lease.holder.split(":")[1]) if lease else None
    return pid if pid and Path(f"/proc/{pid}").exists() else None


def _one(pid: int | None) -> tuple[int, ...]:
    return () if pid is None else (pid,)


def _with_children(launcher_pid: int, name: str) -> tuple[int, ...]:
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(launcher_pid).children():
            if child.name() == name:
                return (child.pid, *(one.pid for one in child.children(recursive=True)))
    return ()


def _wait_for(victim: Process) -> tuple[int, ...]:
    deadline = time.monotonic() + FIND_PATIENCE_S
    while time.monotonic() < deadline:
        if found := victim.find():
            return found
        time.sleep(0.1)
    raise RuntimeError(f"there is no {victim.name} to hit")


def _signal(pids: tuple[int, ...], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def _file_limit(pid: int, num_bytes: int) -> Iterator[None]:
    """No file of the process may grow beyond; a write then fails with EFBIG, which Python raises as the OSError of a full disk."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
