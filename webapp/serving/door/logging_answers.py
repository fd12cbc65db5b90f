"""One answer on its way out: its impression logged as the deployment says, and what the answer tells of that."""

from __future__ import annotations

import uuid
from typing import Any

from engine.serving.degraded import Degraded, joined
from engine.serving.requests import RecommendReply
from engine.spec.deployment import ImpressionLogging
from engine.streams.log import Position, Record
from webapp.catalog.confirming import placed_id
from webapp.catalog.impressions import impression_appender
from webapp.serving.door.answer import answer_of
from webapp.serving.door.preparing import Prepared
from webapp.serving.impression import impression_record, kept_record, served_by


class Answering:
    """A reply that was made at `now_ms`. `record` is what is to be appended to the log for it, None for nothing."""

    def __init__(self, prepared: Prepared, reply: RecommendReply, now_ms: int) -> None:
        self.recommendation_id = uuid.uuid4().hex
        self._prepared, self._reply, self._now_ms = prepared, reply, now_ms
        self._mode = prepared.document.impressions.logging
        self._degraded = reply.degraded
        self.record = self._to_log()

    def waits(self) -> bool:
        """Whether the answer has to wait until the log has the record. One that need not, and finds room, is logged behind it."""
        if self.record is None:
            return False
        is_behind = self._mode is ImpressionLogging.BEHIND
        return not (is_behind and impression_appender().put(self._prepared.project.slug, self.record))

    def logged(self, place: Position | None) -> None:
        """The log has the record there; None: it has not."""
        if place is None:
            self._degraded = joined(self._degraded, Degraded.IMPRESSION_NOT_LOGGED)
        elif self._mode is ImpressionLogging.CONFIRMED:
            self.recommendation_id = placed_id(self.recommendation_id, place)

    def told(self) -> dict[str, Any]:
        return answer_of(self._prepared, self._reply, self.recommendation_id, self._degraded, self._now_ms / 1000)

    def _to_log(self) -> Record | None:
        prepared, reply = self._prepared, self._reply
        num_logged = prepared.request.num_logged
        if prepared.impression is None or not reply.items or num_logged == 0:
            return None
        served = served_by(prepared.chosen, reply, num_logged=num_logged, request=prepared.request)
        if self._mode is ImpressionLogging.CONFIRMED:
            return kept_record(
                prepared.request,
                reply,
                served=served,
                recommendation_id=self.recommendation_id,
                now_ms=self._now_ms,
            )
        return impression_record(
            prepared.impression,
            prepared.request,
            reply,
            served=served,
            recommendation_id=self.recommendation_id,
            now_ms=self._now_ms,
        )
