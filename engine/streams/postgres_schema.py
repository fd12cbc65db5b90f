"""The event log's tables in PostgreSQL."""

from __future__ import annotations

SCHEMA_SQL = """
CREATE SCHEMA IF NOT EXISTS freshet_log;

CREATE TABLE IF NOT EXISTS freshet_log.topic (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS freshet_log.partition (
    topic_id integer NOT NULL REFERENCES freshet_log.topic (id) ON DELETE CASCADE,
    number integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    earliest bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic_id, number)
) WITH (fillfactor = 50);
ALTER TABLE freshet_log.partition ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS freshet_log.record (
    topic_id integer NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    timestamp_ms bigint NOT NULL,
    PRIMARY KEY (topic_id, partition, "offset")
);
ALTER TABLE freshet_log.record ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS freshet_log.committed (
    group_name text NOT NULL,
    topic_id integer NOT NULL REFERENCES freshet_log.topic (id) ON DELETE CASCADE,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (group_name, topic_id, partition)
);
"""
"""Safe to run again. `fillfactor` keeps the busy partition rows' updates in their page; `EXTERNAL` spares
PostgreSQL trying to compress float vectors, which do not compress."""
