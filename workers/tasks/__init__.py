"""One module for each job of `webapp.core.jobs.Job`; importing this package registers them all."""

from workers.tasks import (
    alerts,
    canary,
    count_events,
    erasures,
    export_data,
    feedback,
    import_file,
    insights,
    join,
    prune,
    recommend_batch,
    replay,
    revive,
    search,
    train_batch,
    train_online,
)

__all__ = [
    "alerts",
    "canary",
    "count_events",
    "erasures",
    "export_data",
    "feedback",
    "import_file",
    "insights",
    "join",
    "prune",
    "recommend_batch",
    "replay",
    "revive",
    "search",
    "train_batch",
    "train_online",
]
