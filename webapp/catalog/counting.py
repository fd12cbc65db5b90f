"""What is counted of events that came in through the API, for `/metrics` and the console."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter

from webapp.core.rates import rates

_events = Counter("freshet_events", "Events that came in, by what became of them", ["project", "result"])


def note_events(project: str, *, num_accepted: int, num_repeated: int, num_rejected: int) -> None:
    for result, num in (("accepted", num_accepted), ("repeated", num_repeated), ("rejected", num_rejected)):
        if num:
            _counter(project, result).inc(num)
    rates().add(project, {"events": num_accepted, "repeated": num_repeated, "rejected": num_rejected})


@lru_cache(maxsize=4096)
def _counter(project: str, result: str) -> Counter:
    return _events.labels(project, result)
