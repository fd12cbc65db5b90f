"""The environment that every Freshet process gets."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from deploy.launcher.options import Options

ROOT = Path(__file__).resolve().parent.parent.parent
PRELOADED = ("LD_PRELOAD", "FRESHET_CHAOS_CLOCK")
"""A library for every process, the servers too, and what it reads: so the storm sets a clock (`tests/chaos/machine_clock.py`)."""

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def own_environment(options: Options, database_url: str, redis_url: str) -> dict[str, str]:
    """The variables that make a process part of this running system; secrets travel here and never in a command line."""
    values = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "FRESHET_LOG_URL": _log_url(database_url),
        "FRESHET_DATA_DIR": str(options.data_dir),
        "FRESHET_BASE_URL": options.base_url,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
    }
    values |= {name: value for name, value in os.environ.items() if name.startswith("KAFKA_")}
    if options.host not in LOOPBACK and not os.environ.get("FRESHET_ALLOWED_HOSTS"):
        named = [] if options.host in {"0.0.0.0", "::"} else [options.host]  # noqa: S104
        values["FRESHET_ALLOWED_HOSTS"] = ",".join(["localhost", "127.0.0.1", "[::1]", *named, *_own_names()])
    return values


def _log_url(database_url: str) -> str:
    kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    return os.environ.get("FRESHET_LOG_URL") or (f"kafka://{kafka}" if kafka else database_url)


def child_environment(own: Mapping[str, str]) -> dict[str, str]:
    """`own` over this process's environment, with threads limited: many processes share few cores."""
    return {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        **own,
    }


def server_environment() -> dict[str, str]:
    """What the embedded servers get: nothing that was meant for somebody else."""
    preloaded = {name: os.environ[name] for name in PRELOADED if name in os.environ}
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **preloaded}


def _own_names() -> list[str]:
    name = socket.gethostname()
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)}
    except OSError:
        addresses = set()
    return [name, *sorted(addresses)]
