"""`python -m workers.demo create|exists|stream`: the demo project and its generated traffic."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

LOOK_EVERY_S = 30.0
SAY_EVERY_S = 60.0

logger = logging.getLogger("workers.demo")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make the demo project when the database has no project")
    create.add_argument("--account-only", action="store_true", help="no project: an account when there is none")
    create.add_argument("--json", action="store_true", help="print what was made as one line of JSON")
    commands.add_parser("exists", help="print yes or no")
    stream = commands.add_parser("stream", help="generated traffic, until stopped")
    stream.add_argument("--rate", type=float, default=5.0, help="visits a second (default 5)")
    options = parser.parse_args()
    if options.command == "stream" and not options.rate > 0:
        parser.error(f"--rate must be above 0 (received {options.rate})")
    return options


def main() -> int:
    import django

    options = parsed()
    django.setup()
    if options.command == "create":
        return create(as_json=options.json, account_only=options.account_only)
    if options.command == "exists":
        from workers.demo_world import demo_project

        print("yes" if demo_project() else "no")
        return 0
    stream(options.rate)
    return 0


def create(*, as_json: bool, account_only: bool = False) -> int:
    from engine.errors import EngineError
    from webapp.core.errors import AppError
    from workers import demo_world

    try:
        made = demo_world.create_account() if account_only else demo_world.create(_say)
    except (AppError, EngineError) as error:
        print(f"the demo project could not be made: {error.message}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps({"created": made is not None, **(dataclasses.asdict(made) if made else {})}))
    elif made is None:
        print("there is an account already" if account_only else "there is a project already; nothing was made")
    else:
        print(f"sign in as {made.username}\npassword {made.password}")
        if made.project:
            print(f"project {made.project}, generated\nAPI key {made.api_key}")
    return 0


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr)


def stream(rate: float) -> None:
    """Until SIGTERM or SIGINT; servers, workers and replicas may come and go meanwhile."""
    import numpy as np
    from django.db import Error as DatabaseError
    from django.db import close_old_connections

    from engine.errors import EngineError
    from webapp.catalog.services import events_ingest
    from webapp.core.errors import AppError
    from webapp.core.rates import rates
    from webapp.serving.services import recommend
    from workers.demo_traffic import NUM_ASKED, DemoTraffic
    from workers.demo_world import demo_project, world
    from workers.pacing import Pace

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    outages = (DatabaseError, EngineError, AppError)
    look, say = Pace(LOOK_EVERY_S), Pace(SAY_EVERY_S)
    project = None

    def ask(user_id: str) -> tuple[str, list[str]]:
        assert project is not None
        started_s = time.perf_counter()
        answer = recommend(project=project, user_id=user_id, k=NUM_ASKED, context={}, exclude=())
        took_s = time.perf_counter() - started_s
        rates().add_call(project.slug, status=200, took_s=took_s, is_degraded=bool(answer.get("degraded")))
        return answer["recommendation_id"], [item["item_id"] for item in answer["items"]]

    def post(events: Sequence[dict[str, Any]]) -> None:
        assert project is not None
        events_ingest(project=project, rows=events, source="demo")

    traffic = DemoTraffic(
        world(), rate=rate, ask=ask, post=post, outages=outages, rng=np.random.default_rng(), sleep=stopping.wait
    )
    while not stopping.is_set():
        close_old_connections()
        if look.is_due() or project is None:
            try:
                project = demo_project()
            except DatabaseError as error:
                logger.warning("the demo's traffic waits for the database: %s", error)
                project = None
        if project is None:
            stopping.wait(1.0)
            continue
        traffic.visit_when_due()
        if say.is_due():
            logger.info("the demo's traffic: %s", traffic.counts)


if __name__ == "__main__":
    sys.exit(main())
