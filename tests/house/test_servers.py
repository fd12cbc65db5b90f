"""The test session's own servers keep what the tests count on."""

from __future__ import annotations

import psycopg
import redis

from tests.session_servers import SessionServers


def test_a_module_database_is_empty_and_apart_from_the_session_database(
    postgres_dsn: str, servers: SessionServers
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute("SELECT current_database(), current_setting('fsync')").fetchone()
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row is not None
    assert row[0] not in servers.database_url
    assert tables == (0,)


def test_redis_answers_only_with_its_password(servers: SessionServers) -> None:
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.ping()
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger:
        try:
            stranger.ping()
        except redis.exceptions.AuthenticationError:
            return
    raise AssertionError("Redis answered a stranger")
