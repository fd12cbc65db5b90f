"""Processes: the Celery app and its tasks, and the long-running joiner, trainer and replica."""
