from __future__ import annotations

import threading

from engine.retrieval.index.gate import Gate


def test_nobody_reads_while_somebody_writes() -> None:
    gate = Gate()
    inside: list[int] = []
    num_wrong = 0
    is_over = threading.Event()

    def read() -> None:
        nonlocal num_wrong
        while not is_over.is_set():
            with gate.reading:
                num_wrong += len(inside)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(300):
        with gate.writing:
            inside.append(1)
            inside.pop()
    is_over.set()
    for reader in readers:
        reader.join()
    assert num_wrong == 0


def test_readers_read_together() -> None:
    gate, both = Gate(), threading.Barrier(2, timeout=20)

    def read() -> None:
        with gate.reading:
            both.wait()

    other = threading.Thread(target=read)
    other.start()
    read()
    other.join()


def test_readers_who_come_while_a_writer_waits_wait_for_it() -> None:
    gate = Gate()
    order: list[str] = []
    gate.enter()

    def write() -> None:
        with gate.writing:
            order.append("written")

    def read() -> None:
        with gate.reading:
            order.append("read")

    writer = threading.Thread(target=write)
    writer.start()
    while not gate._is_closed:
        continue
    reader = threading.Thread(target=read)
    reader.start()
    gate.leave()
    writer.join()
    reader.join()
    assert order == ["written", "read"]


def test_a_gate_opens_again_after_a_failure_inside() -> None:
    gate = Gate()
    for way in (gate.reading, gate.writing):
        try:
            with way:
                raise ValueError
        except ValueError:
            pass
    with gate.writing:
        pass
