"""PostgreSQL ends every session, as when it restarts: leases, runs and replicas go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from engine.serving.deployment import DeploymentSpec, ModelRef
from engine.serving.replica import Replica
from engine.spec.definition import ModelDefinition
from engine.spec.demo import demo_ranker, demo_schema
from engine.spec.event import CatalogChange
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.postgres import PostgresLog
from webapp.core.services import lease_acquire
from workers.fresh_connection import drop_broken_connection
from workers.leases import LEASE_TTL_S, DatabaseLeases, HeldLease


@pytest.fixture
def dsn(settings: Any) -> str:
    name = connection.settings_dict["NAME"]
    return str(urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl())


@pytest.fixture
def end_sessions(transactional_db: None, dsn: str) -> Iterator[Callable[[], None]]:
    def end() -> None:
        with psycopg.connect(dsn) as own:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
            )

    yield end
    drop_broken_connection()


def test_lease_is_kept_through_a_restart(end_sessions: Callable[[], None]) -> None:
    token = lease_acquire(name="trainer:1", holder="me", ttl_s=LEASE_TTL_S)
    assert token is not None
    lease = HeldLease(DatabaseLeases(), name="trainer:1", holder="me", token=token)
    for _ in range(2):
        lease.fence()
        end_sessions()
        lease.beat()
        assert not lease.is_lost
        lease.beat()
        lease.fence()
    lease.release()
    assert lease_acquire(name="trainer:1", holder="another", ttl_s=LEASE_TTL_S) is not None


def test_replica_on_postgresql_goes_on_following_after_a_restart(
    end_sessions: Callable[[], None], dsn: str, tmp_path: Path
) -> None:
    log, catalog = PostgresLog(dsn), topics.catalog("restarts")
    log.create_topic(catalog)
    ranker = ModelRef("ranker", 1, ModelDefinition.parse(demo_ranker()))
    replica = Replica(log, tmp_path)
    replica.deploy(DeploymentSpec("restarts", "main", Schema.parse(demo_schema()), ranking=ranker))

    def num_items() -> int:
        return replica.status().deployments[0].num_items

    for number in range(1, 4):
        change = CatalogChange("item", f"item-{number}")
        log.append(catalog, [Record(f"item:item-{number}", change.to_bytes(), 0)])
        end_sessions()
        replica.poll()
        replica.poll()
        assert num_items() == number
        assert not replica.status().deployments[0].models[0].last_error
    log.close()
