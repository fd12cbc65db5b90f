"""`make bench-console`: every console page's time on the server, with a large database.

A million events in the log, 100,000 items and as many users, 10,000 refused rows, thousands of metrics, publishes and audit entries, a day
of what a trainer and four replicas note. Each page is asked for in this process, through the whole of Django, without the web server;
medians of `REPEATS` after the first, which is told too: what a process loads before it is asked (`make_ready`) is loaded then.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.report import Report, say, say_table
from tests.session_servers import SessionServers

REPEATS = 5
BUDGET_MS = 200.0
FURTHER_LOOKS = {f"sync, {window}": f"/p/crowded/sync/?window={window}" for window in ("15m", "6h", "24h")}


def run(*, quick: bool = False) -> None:
    """Prints the table, slowest first, and writes `reports/bench-console.json`."""
    report = Report("bench-console")
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        servers = SessionServers(Path(folder) / "servers")
        servers.start()
        try:
            os.environ.update(
                DATABASE_URL=servers.database_url,
                FRESHET_LOG_URL=servers.database_url,
                REDIS_URL=servers.redis_url,
                FRESHET_DATA_DIR=f"{folder}/data",
                DJANGO_SETTINGS_MODULE="webapp.settings",
            )
            import django

            django.setup()
            report.write(_measured(quick=quick))
        finally:
            _close()
            servers.stop()


def _measured(*, quick: bool) -> dict[str, Any]:
    from django.core.management import call_command
    from django.test import Client

    from tests.population.crawling import crawl
    from tests.population.large import Much, enlarge
    from tests.population.rich import populate
    from webapp.accounts.services import account_create
    from webapp.core.made_ready import make_ready

    call_command("migrate", verbosity=0)
    account = account_create(username="tester", password="a long enough password")
    project = populate(slug="crowded", account=account)
    much = Much(num_events=100_000, num_entities=10_000) if quick else Much()
    started_s = time.perf_counter()
    enlarge(project, much)
    say(
        f"{much.num_events:,} events and {2 * much.num_entities:,} users and items written in {time.perf_counter() - started_s:.0f} s"
    )
    make_ready()
    client = Client()
    client.force_login(account)
    client.get("/sign-in")
    pages: dict[str, dict[str, Any]] = {}
    first_ms: dict[str, float] = {}

    def open_page(address: str) -> str | None:
        started_s = time.perf_counter()
        answer = client.get(address)
        first_ms[address] = round(1000 * (time.perf_counter() - started_s), 1)
        is_page = answer.status_code == 200 and not answer.streaming
        return answer.content.decode() if is_page and answer.headers["Content-Type"].startswith("text/html") else None

    for kind, address in crawl("crowded", open_page):
        pages[kind] = {"address": address, "first_ms": first_ms[address], **_times(client, address)}
    for kind, address in {**FURTHER_LOOKS, "projects": "/"}.items():
        open_page(address)
        pages[kind] = {"address": address, "first_ms": first_ms[address], **_times(client, address)}
    slowest_first = sorted(pages.items(), key=lambda one: -one[1]["median_ms"])
    say_table(
        ["page", "first ms", "median ms", "slowest ms", "processor ms", "queries", "kB"],
        [
            [
                kind,
                f"{one['first_ms']:.0f}",
                f"{one['median_ms']:.0f}",
                f"{one['max_ms']:.0f}",
                f"{one['processor_ms']:.0f}",
                str(one["num_queries"]),
                f"{one['num_bytes'] / 1000:.0f}",
            ]
            for kind, one in slowest_first
        ],
    )
    over = [kind for kind, one in slowest_first if one["median_ms"] > BUDGET_MS]
    say(f"{len(pages)} pages, {len(over)} above {BUDGET_MS:.0f} ms{': ' + ', '.join(over) if over else ''}")
    return {
        "num_events": much.num_events,
        "num_pages": len(pages),
        "num_over_budget": len(over),
        "slowest_ms": slowest_first[0][1]["median_ms"],
        "median_ms": statistics.median(one["median_ms"] for one in pages.values()),
        "pages": pages,
    }


def _times(client: Any, address: str) -> dict[str, Any]:
    """Of one page, in this process and not in PostgreSQL's where it says processor; what is remembered between requests is forgotten, as by
    a process that was just started."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from webapp.core.remembered import forget_everything

    took_ms, processor_ms, num_bytes, num_queries = [], [], 0, 0
    for repeat in range(REPEATS + 1):
        forget_everything()
        with CaptureQueriesContext(connection) as asked:
            started_s, busy_s = time.perf_counter(), time.process_time()
            answer = client.get(address)
            took = 1000 * (time.perf_counter() - started_s)
            busy = 1000 * (time.process_time() - busy_s)
        num_bytes, num_queries = len(answer.content), len(asked)
        if repeat:
            took_ms.append(took)
            processor_ms.append(busy)
    return {
        "median_ms": round(statistics.median(took_ms), 1),
        "max_ms": round(max(took_ms), 1),
        "processor_ms": round(statistics.median(processor_ms), 1),
        "num_queries": num_queries,
        "num_bytes": num_bytes,
    }


def _close() -> None:
    from django.db import connections

    from webapp.core.log import close_event_logs

    close_event_logs()
    connections.close_all()
