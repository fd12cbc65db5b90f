"""This process's door to the event log."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from django.conf import settings

from engine.errors import UnknownTopic
from engine.streams import open_log, topics
from engine.streams.log import EventLog, Position, Record

_lock = threading.Lock()
_opened: dict[str, EventLog] = {}


def event_log() -> EventLog:
    """The log at `settings.LOG_URL` (PostgreSQL's or Kafka's: `environment.log_url`), opened at first use.

    One for the whole process, safe to share between threads.
    """
    url: str = settings.LOG_URL
    with _lock:
        if url not in _opened:
            _opened[url] = open_log(url)
        return _opened[url]


def close_event_logs() -> None:
    """Let go of every connection; the next `event_log()` opens again."""
    with _lock:
        while _opened:
            _opened.popitem()[1].close()


def ensure_topics(project_slug: str) -> None:
    """Make the project's topics where they are absent. Raises `LogError`."""
    log = event_log()
    for name in (topics.events, topics.events_dead, topics.catalog, topics.examples):
        log.create_topic(name(project_slug))


def append(project_slug: str, topic: str, records: Sequence[Record]) -> list[Position]:
    """Append to a topic of the project; a log that is new since the project was made gets its topics first."""
    log = event_log()
    try:
        return log.append(topic, records)
    except UnknownTopic:
        ensure_topics(project_slug)
        return log.append(topic, records)
