"""Every few seconds: receipts that are not done follow replicas and folders."""

from __future__ import annotations

import logging

from webapp.core.jobs import Job
from webapp.erasure.selectors import erasures_open
from workers.celery_app import app
from workers.erasure_following import follow

logger = logging.getLogger(__name__)


@app.task(name=Job.ERASURES.value)
def erasures() -> None:
    for erasure in erasures_open():
        try:
            follow(erasure)
        except Exception:
            # one receipt's trouble must not let the others wait
            logger.exception("%s could not be followed", erasure)
