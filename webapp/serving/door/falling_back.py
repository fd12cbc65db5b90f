"""What is answered when no replica does: what was answered most often lately, which says so in `degraded`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import orjson
from django.db import InterfaceError, OperationalError

from engine.errors import LogError, ReplicaUnavailable
from engine.serving.degraded import Degraded
from engine.serving.requests import Ask, RecommendReply, ScoredItem
from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.catalog.selectors import recent_events, servable_item_ids
from webapp.serving.door.preparing import Prepared
from webapp.serving.door.race import DeadlinePassed
from webapp.serving.lately import SOURCE, LatelyAnswered
from webapp.serving.next_token import hash_of

logger = logging.getLogger(__name__)

NUM_RECALLED_EVENTS = 200

lately = LatelyAnswered()


def note(prepared: Prepared, reply: RecommendReply) -> None:
    """Remember an answer for times without one. Those to a list of candidates, or like an item, say nothing to others."""
    request = prepared.request
    if request.ask is Ask.RECOMMEND and not request.candidates and reply.items:
        lately.note(_key(prepared), [item.item_id for item in reply.items])


def recall(prepared: Prepared, error: ReplicaUnavailable, took_s: float) -> RecommendReply:
    """The best of what was answered lately under the same rules. May ask PostgreSQL. Raises `error` when there is nothing."""
    key = _key(prepared)
    request = prepared.request
    if not lately.knows(key) and not _has_filter(prepared):
        _recall_from_log(prepared.project, key)
    items, unknown = _items(prepared, key)
    if not items:
        raise error
    logger.warning("%s; answering what was answered lately", error.message)
    word = Degraded.DEADLINE if isinstance(error, DeadlinePassed) else Degraded.NO_REPLICA
    if request.ask is not Ask.RANK:
        items = items[: request.k]
    return RecommendReply(items, [], word.value, b"", round(1000 * took_s, 3), replica="", unknown=unknown, revision=0)


def can_recall() -> bool:
    """Whether this process could answer something by itself."""
    return not lately.is_empty


def _items(prepared: Prepared, key: tuple[object, ...]) -> tuple[list[ScoredItem], tuple[str, ...]]:
    """Those left, and the candidates of a `rank` that are not in the catalogue."""
    request = prepared.request
    if request.ask is Ask.RANK:
        share_of = dict(lately.best(key, len(request.candidates), candidates=request.candidates))
        known = _servable(prepared.project, request.candidates)
        ordered = sorted((one for one in request.candidates if one in known), key=lambda one: -share_of[one])
        unknown = tuple(one for one in request.candidates if one not in known)
        return [ScoredItem(one, share_of[one], SOURCE) for one in ordered], unknown
    if _reads_request(prepared):
        return [], ()
    exclude = {*request.exclude, request.item_id}
    wanted = lately.best(
        key, request.k + len(request.shown) + len(exclude), exclude=tuple(exclude), candidates=request.candidates
    )
    shown = set(request.shown)
    left = [(item_id, share) for item_id, share in wanted if not shown or hash_of(item_id) not in shown]
    known = _servable(prepared.project, [item_id for item_id, _ in left])
    return [ScoredItem(item_id, share, SOURCE) for item_id, share in left if item_id in known], ()


def _key(prepared: Prepared) -> tuple[object, ...]:
    """Answers are recalled only for what was asked under the same rules: a filter holds for what is recalled too."""
    request, deployment = prepared.request, prepared.chosen.deployment
    key = (prepared.project.pk, deployment.name)
    if not _has_filter(prepared):
        return key
    parameters = orjson.dumps(request.parameters, option=orjson.OPT_SORT_KEYS)
    return (*key, deployment.revision, request.filter, parameters)


def _has_filter(prepared: Prepared) -> bool:
    return prepared.request.filter is not None or prepared.document.filter is not None


def _reads_request(prepared: Prepared) -> bool:
    """Whether a filter looks at the user or the context: then nobody else's answer says what would pass it."""
    filters = (prepared.request.filter or "", prepared.document.filter or "")
    return any(word in text for text in filters for word in ("user.", "context.", "request."))


def _servable(project: Project, item_ids: Sequence[str]) -> set[str]:
    """Without those deleted or hidden since, as far as PostgreSQL can be asked."""
    try:
        return servable_item_ids(project=project, item_ids=item_ids)
    except (OperationalError, InterfaceError) as error:
        logger.warning("PostgreSQL does not answer (%s); answering items that may have been deleted", error)
        return set(item_ids)


def _recall_from_log(project: Project, key: tuple[object, ...]) -> None:
    """A process that has only just begun has answered nothing: the newest impressions say what others answered."""
    try:
        newest = recent_events(project=project, limit=NUM_RECALLED_EVENTS)
    except (LogError, OperationalError, InterfaceError) as error:
        logger.warning("the newest events of %s cannot be read: %s", project.slug, error)
        return
    for event in reversed(newest):
        if event.items and event.role is EventRole.IMPRESSION:
            lately.note(key, [shown.item_id for shown in event.items])
