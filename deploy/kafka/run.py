"""A broker by hand: `python -m deploy.kafka.run`; Ctrl-C stops it, its data stays."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from deploy.kafka.broker import HEAP, Kafka
from deploy.launcher.errors import StartError


def main() -> int:
    """0 after a stop that was asked for, 1 when the broker did not start or ended by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.kafka.run",
        description="Start one Kafka broker on loopback; Ctrl-C stops it, data stays.",
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".freshet/kafka"), help="default: .freshet/kafka")
    parser.add_argument("--port", type=int, default=9092, help="default: 9092; 0 takes a free one")
    parser.add_argument("--heap", default=HEAP, help=f"Java's heap (default {HEAP})")
    chosen = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    folder = chosen.data_dir.expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    broker = Kafka(folder, log=folder / "broker.log", port=chosen.port, heap=chosen.heap)
    try:
        broker.start()
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap_servers}\n")
    sys.stdout.flush()
    while not stopping.wait(0.5):
        if broker.process is not None and broker.process.poll() is not None:
            sys.stderr.write(f"The broker ended by itself; its log is {broker.log}.\n")
            return 1
    broker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
