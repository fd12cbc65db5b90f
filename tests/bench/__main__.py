"""`make bench`: measure the table, training, taking events in, and recommending. One benchmark by name, or all in turn."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys

NAMES = {
    "engine": "the C++ table beside a plain gather and other tables",
    "training": "training steps beside Keras and TensorFlow",
    "encoding": "features of a batch from Parquet, memory and the log",
    "joining": "events a second that one joiner makes examples of",
    "ingest": "events a second through the service and over HTTP",
    "index": "indexes of item vectors: recall, latency, and what a change costs",
    "cold_start": "what stand-ins for the ids of new items are worth (MovieLens)",
    "ranking": "a ranker's answer, and its dense pass beside other libraries'",
    "console": "server time of every console page with a large database",
    "recommend": "requests a second and latency of POST /recommend",
}


def main() -> int:
    """0 when every benchmark was checked and written."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog="; ".join(f"{name}: {what}" for name, what in NAMES.items()),
    )
    parser.add_argument("name", nargs="?", choices=[*NAMES, "all"], default="all")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter; figures are rougher")
    options = parser.parse_args()
    if options.name == "all":
        return max(_in_own_process(name, options.quick) for name in NAMES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    importlib.import_module(f"tests.bench.{options.name}").run(quick=options.quick)
    return 0


def _in_own_process(name: str, quick: bool) -> int:
    """What one benchmark holds in memory or sets up must not be met by the next."""
    arguments = [name, "--quick"] if quick else [name]
    return abs(subprocess.run([sys.executable, "-m", "tests.bench", *arguments], check=False).returncode)


if __name__ == "__main__":
    sys.exit(main())
