"""`python -m workers.replica --name replica-1`: a serving process. It answers over gRPC and follows the log by itself."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
for _library in ("OPENBLAS", "OMP", "MKL"):
    # One request's products are small: threads that share one cost more than they save, and take the core from the next request.
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

TURN_EVERY_S = 1.0
SWITCH_INTERVAL_S = 0.0005
"""A request that comes while the log is read waits so long for the interpreter, not the 5 ms that are Python's default."""

logger = logging.getLogger("workers.replica")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.replica", description=__doc__)
    parser.add_argument("--name", required=True, help="unique among all replicas; the console shows it")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; a free one by default")
    parser.add_argument("--advertise", metavar="HOST", help="the name others reach this host by, when it is not --host")
    options = parser.parse_args()
    if not 0 < len(options.name) <= 120:
        parser.error(f"--name must have 1 to 120 characters (received {options.name!r})")
    if not 0 <= options.port <= 65_535:
        parser.error(f"--port must be 0 to 65535 (received {options.port})")
    return options


def main() -> None:
    import django

    options = parsed()
    django.setup()
    serve(options)


def serve(options: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT. Raises SystemExit when the address cannot be had."""
    from django.conf import settings
    from django.db import close_old_connections

    from engine.errors import EngineError
    from engine.serving.replica import Replica
    from engine.serving.replica_loop import ReplicaLoop
    from engine.serving.server import ReplicaServer
    from engine.serving.user_state import UserLimits
    from engine.spec.expression import parse_expression
    from webapp.core.garbage import SettingAside
    from webapp.core.log import event_log
    from workers.erasing import ReplicaErasures
    from workers.serving import ServingTurn

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # The first expression makes the parser, for which requests would wait a tenth of a second.
    parse_expression("item.id is null", "filter")
    limits = UserLimits(max_users=settings.REPLICA_MAX_USERS)
    replica = Replica(event_log(), settings.DATA_DIR, name=options.name, user_limits=limits)
    try:
        server = ReplicaServer(replica, f"{options.host}:{options.port}")
    except EngineError as error:
        raise SystemExit(error.message) from error
    address = f"{options.advertise or options.host}:{server.port}"
    loop = ReplicaLoop(replica)
    turn = ServingTurn(replica, name=options.name, address=address)
    server.start()
    loop.start()
    logger.info("replica %s listens on %s", options.name, address)
    try:
        turn.turn()
        garbage, erasures = SettingAside(), ReplicaErasures(replica, options.name)
        while not stopping.wait(TURN_EVERY_S):
            close_old_connections()
            turn.turn()
            erasures.turn()
            garbage.turn()
    finally:
        logger.info("replica %s stops", options.name)
        turn.leave()
        server.stop()
        loop.stop()


if __name__ == "__main__":
    main()
