"""The five calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from engine.serving.requests import MAX_K, Ask
from engine.spec.document import shorten
from engine.spec.values import BrokenRule, check_id
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.catalog.services import PutReport, events_ingest, items_put, users_put
from webapp.compat.measured_call import MeasuredCall
from webapp.compat.personalize.arns import check_dataset, check_tracker, deployment_name, filter_expression
from webapp.compat.personalize.authentication import SignatureAuthentication
from webapp.compat.personalize.documents import entity_rows, event_rows, filter_parameters, metadata_fields
from webapp.compat.personalize.errors import restated
from webapp.core.api import ApiView
from webapp.core.errors import Invalid, NotFound, TooLarge
from webapp.registry.selectors import schema_document
from webapp.serving.asked import Asked
from webapp.serving.requests_calls import SHOWN_OF_RANKING

DEFAULT_NUM_RESULTS = 25
NOT_SUPPORTED = ("promotions",)
DEGRADED_HEADER = "X-Freshet-Degraded"


@extend_schema(exclude=True)
class PersonalizeView(ApiView):
    authentication_classes = [SignatureAuthentication]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        ours = super().get_exception_handler()

        def handler(error: Exception, context: dict[str, Any]) -> Response | None:
            answered = ours(error, context)
            return None if answered is None else restated(answered)

        return handler


class GetRecommendationsView(MeasuredCall, PersonalizeView):
    """With `itemId` and without `userId`: items like it; else for the user."""

    scopes = {"POST": (Scope.RECOMMEND,)}

    def post(self, request: Request) -> Response:
        body = _object(request.data)
        is_similar = body.get("userId") is None and body.get("itemId") is not None
        num = body.get("numResults", DEFAULT_NUM_RESULTS)
        if not isinstance(num, int) or isinstance(num, bool) or not 1 <= num <= MAX_K:
            raise Invalid.field("numResults", f"must be from 1 to {MAX_K}", shorten(num))
        asked = Asked(
            ask=Ask.SIMILAR if is_similar else Ask.RECOMMEND,
            user_id=_id(body, "userId"),
            item_id=_id(body, "itemId") if is_similar else "",
            k=num,
            **_shared(body),
        )
        found = self.asked(request, asked)
        items = [_item(one, with_metadata=bool(asked.fields)) for one in found["items"]]
        return _said({"itemList": items, "recommendationId": found["recommendation_id"]}, found)


class GetPersonalizedRankingView(MeasuredCall, PersonalizeView):
    """Every id of `inputList` is answered: those that the catalogue does not know, without a score, at the end."""

    ask = Ask.RANK

    scopes = {"POST": (Scope.RECOMMEND,)}

    def post(self, request: Request) -> Response:
        body = _object(request.data)
        given = body.get("inputList")
        if not isinstance(given, list) or not 0 < len(given) <= MAX_K:
            raise Invalid.field("inputList", f"must be a list of 1 to {MAX_K} item ids", shorten(given))
        candidates = tuple(dict.fromkeys(_checked_id(one, "inputList") for one in given))
        asked = Asked(
            ask=Ask.RANK,
            user_id=_id(body, "userId"),
            k=len(candidates),
            candidates=candidates,
            num_logged=SHOWN_OF_RANKING,
            **_shared(body),
        )
        found = self.asked(request, asked)
        ranked = [_item(one, with_metadata=bool(asked.fields)) for one in found["items"]]
        ranked += [{"itemId": item_id} for item_id in found["unknown"]]
        return _said({"personalizedRanking": ranked, "recommendationId": found["recommendation_id"]}, found)


class PutEventsView(PersonalizeView):
    scopes = {"POST": (Scope.INGEST,)}

    def post(self, request: Request) -> Response:
        body, project = _object(request.data), project_of(request)
        check_tracker(body, project)
        rows = list(event_rows(body, schema_document(project=project)))
        _bounded(rows, "eventList")
        report = events_ingest(project=project, rows=rows, source="personalize")
        if report.num_rejected:
            _refuse(len(rows), report.num_rejected, report.results)
        return Response({})


class PutItemsView(PersonalizeView):
    scopes = {"POST": (Scope.INGEST,)}

    def post(self, request: Request) -> Response:
        body, project = _object(request.data), project_of(request)
        check_dataset(body, project, "ITEMS")
        return _put(items_put, project, entity_rows(body, "items", "itemId"))


class PutUsersView(PersonalizeView):
    scopes = {"POST": (Scope.INGEST,)}

    def post(self, request: Request) -> Response:
        body, project = _object(request.data), project_of(request)
        check_dataset(body, project, "USERS")
        return _put(users_put, project, entity_rows(body, "users", "userId"))


def _put(put: Callable[..., PutReport], project: Project, rows: Sequence[dict[str, Any]]) -> Response:
    _bounded(rows, "rows")
    report = put(project=project, rows=rows)
    if report.num_rejected:
        _refuse(len(rows), report.num_rejected, report.results)
    return Response({})


def _refuse(num_rows: int, num_refused: int, results: Sequence[Any]) -> None:
    """Amazon's answer has no room for single rows: one refused refuses the call, in words, after the others are taken."""
    problems = [
        {**problem.as_dict(), "field": f"{result.index}: {problem.field}"}
        for result in results
        for problem in result.problems
    ]
    raise Invalid(f"{num_refused} of {num_rows} were refused; the others are taken", problems=problems)


def _shared(body: Mapping[str, Any]) -> dict[str, Any]:
    for name in NOT_SUPPORTED:
        if body.get(name):
            raise Invalid.field(
                name, "is not supported: promotions are in the deployment's document", shorten(body[name])
            )
    context = body.get("context") or {}
    if not isinstance(context, Mapping):
        raise Invalid.field("context", "must be an object", shorten(context))
    expression = filter_expression(body)
    return {
        "deployment": deployment_name(body),
        "context": {name.lower(): value for name, value in context.items()},
        "filter": expression,
        "parameters": filter_parameters(body.get("filterValues")) if expression else {},
        "fields": metadata_fields(body.get("metadataColumns")),
    }


def _item(one: Mapping[str, Any], *, with_metadata: bool) -> dict[str, Any]:
    item = {"itemId": one["item_id"], "score": one["score"]}
    if with_metadata:
        properties = one.get("properties") or {}
        item["metadata"] = {name: str(value) for name, value in properties.items() if value is not None}
    return item


def _said(body: dict[str, Any], found: Mapping[str, Any]) -> Response:
    """Amazon's answers have no room for a word on a fallback, so a header has it."""
    return Response(body, headers={DEGRADED_HEADER: found["degraded"]} if found["degraded"] else None)


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise Invalid.field("(body)", "must be an object", shorten(body))
    return body


def _id(body: Mapping[str, Any], field: str) -> str:
    return "" if body.get(field) is None else _checked_id(body[field], field)


def _checked_id(value: Any, field: str) -> str:
    try:
        return check_id(value)
    except BrokenRule as broken:
        raise Invalid.field(field, str(broken), shorten(value)) from None


def _bounded(rows: Sequence[object], field: str) -> None:
    if len(rows) > settings.MAX_EVENTS_PER_REQUEST:
        raise TooLarge(f"{field} may hold {settings.MAX_EVENTS_PER_REQUEST} rows; {len(rows)} were sent.")


@extend_schema(exclude=True)
class UnknownCallView(PersonalizeView):
    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("This call of Amazon Personalize's is not answered here; docs/compat.md lists those that are.")
