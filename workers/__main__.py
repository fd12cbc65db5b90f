"""`python -m workers {joiner,trainer,jobs,periodic,beat}`: one Celery process with the queue and pool that its work needs."""

from __future__ import annotations

import argparse
import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

DEFAULT_CONCURRENCY = {"joiner": 4, "trainer": 4, "jobs": 2, "periodic": 2}
PERIODIC_TASKS_PER_CHILD = 500
NICENESS = {"joiner": 5, "trainer": 5, "jobs": 10, "periodic": 5, "beat": 0}
"""Where processor time is short, who waits for an answer goes before what may be seconds late."""


def arguments_for(process: str, log_level: str) -> list[str]:
    """Celery's command line for one of our processes."""
    from webapp import environment

    if process == "beat":
        return ["--quiet", "beat", f"--loglevel={log_level}", "--pidfile="]
    variable = f"FRESHET_{process.upper()}_CONCURRENCY"
    concurrency = environment.integer(variable, DEFAULT_CONCURRENCY[process])
    if concurrency < 1:
        raise SystemExit(f"{variable} must be at least 1 (received {concurrency})")
    arguments = [
        "--quiet",
        "worker",
        f"--queues={process}",
        f"--hostname={process}-{os.getpid()}@%h",
        f"--concurrency={concurrency}",
        f"--loglevel={log_level}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    if process == "periodic":
        arguments.append(f"--max-tasks-per-child={PERIODIC_TASKS_PER_CHILD}")
    return arguments


def _niceness(process: str) -> int:
    """As `nice` takes it; a machine of its own may say 0."""
    from webapp import environment

    variable = f"FRESHET_{process.upper()}_NICENESS"
    niceness = environment.integer(variable, NICENESS[process])
    if not 0 <= niceness <= 19:
        raise SystemExit(f"{variable} must be from 0 to 19 (received {niceness})")
    return niceness


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("process", choices=[*DEFAULT_CONCURRENCY, "beat"])
    parser.add_argument("--log-level", default="WARNING", help="Celery's own; ours follows FRESHET_LOG_LEVEL")
    options = parser.parse_args()
    from celery.exceptions import SecurityWarning

    from workers.celery_app import app

    os.nice(_niceness(options.process))
    # it warns of pickle for root; we accept JSON only
    warnings.simplefilter("ignore", SecurityWarning)
    app.start(argv=arguments_for(options.process, options.log_level))


if __name__ == "__main__":
    main()
