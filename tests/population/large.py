"""Very much of everything, written by PostgreSQL itself: a million rows in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from engine.streams import topics
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.serving.freshness_spans import spans_roll_up
from webapp.tracing.sync_spans import history_roll_up
from webapp.training.models import Run


@dataclass(frozen=True)
class Much:
    """How many rows there are to be of each; `num_reported` of everything that processes report. `history_s`: for how long a trainer and
    `num_replicas` replicas have noted each ten seconds where they stand, and each five what they measured.
    """

    num_events: int = 1_000_000
    num_entities: int = 100_000
    num_refused: int = 10_000
    num_reported: int = 5_000
    history_s: int = 86_400
    num_replicas: int = 4


def enlarge(project: Project, much: Much) -> None:
    """Adds so many rows to a project of `rich.populate`."""
    run = Run.objects.filter(project=project).order_by("-pk")[0]
    version: ModelVersion = run.model_version
    values: dict[str, Any] = {
        "project": project.pk,
        "run": run.pk,
        "version": version.pk,
        "entities": much.num_entities,
        "refused": much.num_refused,
        "reported": much.num_reported,
        "events": much.num_events,
        "topic": topics.events(project.slug),
        "history_s": much.history_s,
        "replicas": much.num_replicas,
        "slots": [slot["number"] for slot in version.document["slots"]],
    }
    event_log().end_offsets(topics.events(project.slug))  # the topic is there
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, values)
    # what beat does every few minutes
    history_roll_up()
    spans_roll_up()
    # the log commits by itself
    with psycopg.connect(settings.LOG_URL, autocommit=True) as own:
        own.execute(EVENTS, values)
        own.execute("ANALYZE freshet_log.record")


STATEMENTS = (
    """
    INSERT INTO catalog_item (project_id, external_id, properties, created_at, updated_at, hidden)
    SELECT %(project)s, 'much-' || n, jsonb_build_object('topic', 'science', 'price', n %% 90), now(), now() - n * interval '1 s', false
    FROM generate_series(1, %(entities)s) n
    """,
    """
    INSERT INTO catalog_user (project_id, external_id, properties, created_at, updated_at)
    SELECT %(project)s, 'much-' || n, '{"country": "CH"}', now(), now() - n * interval '1 s' FROM generate_series(1, %(entities)s) n
    """,
    """
    INSERT INTO catalog_rejectedrow (project_id, source, row_number, row, problems, received_at)
    SELECT %(project)s, 'upload:much.csv', n, '{"price": "free"}',
           '[{"field": "price", "rule": "must be a number", "received": "free"}]', now() - n * interval '1 s'
    FROM generate_series(1, %(refused)s) n
    """,
    """
    INSERT INTO catalog_deadevent (project_id, partition, "offset", reason, field, rule, received, problems, key, value, value_bytes,
                                   is_whole, timestamp_ms, buried_at)
    SELECT %(project)s, 1, n, 'not_json', '(record)', 'must be JSON', '{', '[]', '', '{', 1, true, 1000 * extract(epoch FROM now()),
           now() - n * interval '1 s'
    FROM generate_series(1, %(refused)s) n
    """,
    """
    INSERT INTO training_runmetric (run_id, at, num_examples, "values")
    SELECT %(run)s, now() - n * interval '1 s', n, '{"loss": 0.5, "auc": 0.7, "lag_records": 3, "examples_per_s": 900, "table_rows": 1500}'
    FROM generate_series(1, %(reported)s) n
    """,
    """
    INSERT INTO training_publish (model_version_id, kind, sequence, num_rows, num_deletes, num_bytes, published_at)
    SELECT %(version)s, 'rows', 29 + n, 100, 0, 9000, now() FROM generate_series(1, least(%(reported)s, 2000)) n
    """,
    """
    INSERT INTO serving_freshnesspoint (model_version_id, replica, at, wall_s, event_s, num_given_up)
    SELECT %(version)s, 'replica-' || replica, now() - n * interval '5 s',
           (SELECT jsonb_agg(round((0.4 + 1.2 * random() + 0 * one * n)::numeric, 3)) FROM generate_series(1, 5) one),
           '[0.711, 0.912, 1.113, 0.711, 0.909]', 0
    FROM generate_series(%(history_s)s / 5, 1, -1) n, generate_series(1, %(replicas)s) replica
    """,
    """
    INSERT INTO tracing_trainerhistory (model_version_id, at, sequence, num_rows, num_deletes, num_bytes, rows_by_slot, steps, marks)
    SELECT %(version)s, date_bin('10 s', now(), 'epoch') - n * interval '10 s', %(history_s)s - 10 * n, 2000, 10, 190000,
           (SELECT jsonb_object_agg(slot::text, (100 * random() + 0 * slot * n)::int) FROM unnest(%(slots)s::int[]) slot),
           (SELECT jsonb_agg(jsonb_build_array(1700000000000 - n + one, jsonb_build_object('0', one))) FROM generate_series(1, 40) one),
           (SELECT jsonb_agg(jsonb_build_object('at_ms', 1700000000000 - n + one, 'first', one, 'last', one, 'rows', 200, 'deletes', 1,
                                                'bytes', 19000, 'examples', jsonb_build_object('0', one))) FROM generate_series(1, 10) one)
    FROM generate_series(%(history_s)s / 10, 1, -1) n
    """,
    """
    INSERT INTO tracing_replicahistory (model_version_id, replica, at, sequence, num_behind, age_s, num_rows_applied, num_bytes_applied,
                                        verified_sequence, marks)
    SELECT %(version)s, 'replica-' || replica, date_bin('10 s', now(), 'epoch') - n * interval '10 s', %(history_s)s - 10 * n,
           (3 * random())::int, random(), 2000, 190000, 1,
           (SELECT jsonb_agg(jsonb_build_array(1700000000000 - n + one, one)) FROM generate_series(1, 10) one)
    FROM generate_series(%(history_s)s / 10, 1, -1) n, generate_series(1, %(replicas)s) replica
    """,
    """
    INSERT INTO audit_auditentry (project_id, at, actor_kind, actor_name, action, target, details, address)
    SELECT %(project)s, now() - n * interval '1 min', 'person', 'tester', 'item_hide', 'item item-' || n, '{}', ''
    FROM generate_series(1, %(reported)s) n
    """,
    """
    INSERT INTO insights_eventcount (project_id, span_s, at, type, num)
    SELECT %(project)s, 3600, date_trunc('hour', now()) - n * interval '1 h', kind, 40000
    FROM generate_series(1, 2000) n, unnest(ARRAY['impression', 'click', 'purchase']) kind
    """,
    "ANALYZE",
)

EVENTS = """
    WITH place AS (
        SELECT p.topic_id, p.number, p.next_offset FROM freshet_log.partition p JOIN freshet_log.topic t ON t.id = p.topic_id
        WHERE t.name = %(topic)s AND p.number = 0
    ), written AS (
        INSERT INTO freshet_log.record (topic_id, partition, "offset", key, value, timestamp_ms)
        SELECT place.topic_id, place.number, place.next_offset + n - 1, 'user-' || n %% 1000,
               convert_to('{"event_id":"much-' || n || '","type":"click","user_id":"user-' || n %% 1000 || '","item_id":"item-' || n %% 60
                          || '","timestamp_ms":' || (1000 * extract(epoch FROM now()))::bigint || '}', 'UTF8'),
               1000 * extract(epoch FROM now())
        FROM place, generate_series(1, %(events)s) n
    )
    UPDATE freshet_log.partition p SET next_offset = p.next_offset + %(events)s FROM place
    WHERE p.topic_id = place.topic_id AND p.number = place.number
    """
