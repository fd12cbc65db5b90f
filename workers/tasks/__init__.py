"""One module for each job of `webapp.core.jobs.Job`; importing this package registers them all."""

from workers.tasks import canary, join, prune, revive, search, train_batch, train_online

__all__ = ["canary", "join", "prune", "revive", "search", "train_batch", "train_online"]
