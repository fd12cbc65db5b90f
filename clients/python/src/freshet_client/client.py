"""The calls of the API."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import httpx

from freshet_client.answers import IngestAnswer, Recommendation, RejectedRow, WriteAnswer, rejected_rows
from freshet_client.documents import Event, Item, SessionEvent, User
from freshet_client.errors import NotAnswered, api_error
from freshet_client.retrying import RETRIED, Retrying
from freshet_client.writer import EventWriter

ROWS_PER_CALL: Final = 1_000
"""Longer lists are sent in several calls of so many rows."""

_REJECTED_STATUS: Final = 400
_EVENTS, _ITEMS, _USERS = "events", "items", "users"


class Freshet:
    """One project of a Freshet, by a key of it. Safe to share between threads; `close` it, or use it in a `with`.

    `timeout_s` is for each try. Calls raise `Invalid`, `Refused`, `NotFound` or another `ApiError` for what the server says, and
    `NotAnswered` when it cannot be reached after all tries.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_s: float = 5.0,
        retrying: Retrying | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retrying = retrying or Retrying()
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": f"freshet-client/{_version()}"},
            timeout=timeout_s,
            transport=transport,
        )

    def recommend(
        self,
        user_id: str | None = None,
        *,
        k: int = 10,
        context: Mapping[str, Any] | None = None,
        session: Sequence[SessionEvent] = (),
        exclude: Sequence[str] = (),
        filter: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
        scenario: str | None = None,
        next: str | None = None,
        explain: bool = False,
        **more: Any,
    ) -> Recommendation:
        """The `k` best items for a user, or for who did what `session` says.

        `context` holds event properties known now. `filter` is an expression (docs/filters.md) whose `$names` are in `parameters`.
        `fields` are the item properties to answer. `scenario` names a deployment. `next` is the last answer's, for more without repeats.
        `more` is sent as it is: `boosts`, `diversity`, `exploration`, `timeout_ms` and what else the API's reference lists.
        """
        body = _without_empty(
            user_id=user_id,
            context=context,
            session=[event.as_json() for event in session],
            exclude=list(exclude),
            filter=filter,
            parameters=parameters,
            fields=list(fields),
            scenario=scenario,
            next=next,
            explain=explain,
        )
        return Recommendation.read(self._call("POST", "recommend", {"k": k, **body, **more}))

    def rank(
        self, user_id: str | None, candidates: Sequence[str], *, context: Mapping[str, Any] | None = None, **more: Any
    ) -> Recommendation:
        """The given items by score, best first; those that the catalogue does not have are in the answer's `unknown`."""
        body = _without_empty(user_id=user_id, context=context) | {"candidates": list(candidates)}
        return Recommendation.read(self._call("POST", "rank", {**body, **more}))

    def similar(self, item_id: str, *, k: int = 10, **more: Any) -> Recommendation:
        """The `k` items most like one."""
        return Recommendation.read(self._call("POST", "similar", {"item_id": item_id, "k": k, **more}))

    def send_events(self, events: Iterable[Event]) -> IngestAnswer:
        """Send events now. When this returns, accepted ones are durable; rejected ones are in the answer and not raised.

        For many single events `event_writer` is the better way.
        """
        accepted = repeated = 0
        rejected: list[RejectedRow] = []
        for first, rows in _batches([event.as_json() for event in events]):
            body = self._write("POST", _EVENTS, rows)
            accepted, repeated = accepted + body["accepted"], repeated + body["repeated"]
            rejected += _moved(rejected_rows(body), first)
        return IngestAnswer(accepted, repeated, tuple(rejected))

    def event_writer(
        self,
        *,
        batch_events: int = 500,
        longest_wait_s: float = 0.5,
        max_waiting: int = 10_000,
        on_rejected: Callable[[Event, RejectedRow], None] | None = None,
        on_failed: Callable[[list[Event], Exception], None] | None = None,
    ) -> EventWriter:
        """A writer that sends events in batches from a thread of its own. Close it before this client."""
        return EventWriter(
            self.send_events,
            batch_events=batch_events,
            longest_wait_s=longest_wait_s,
            max_waiting=max_waiting,
            on_rejected=on_rejected,
            on_failed=on_failed,
        )

    def put_items(self, items: Iterable[Item]) -> WriteAnswer:
        """Create or replace items; rejected ones are in the answer and not raised."""
        return self._put(_ITEMS, [item.as_json() for item in items])

    def put_users(self, users: Iterable[User]) -> WriteAnswer:
        """Create or replace users; rejected ones are in the answer and not raised."""
        return self._put(_USERS, [user.as_json() for user in users])

    def get_item(self, item_id: str) -> dict[str, Any]:
        """`{"id", "properties", "created_at", "updated_at", …}`. Raises `NotFound`."""
        return self._call("GET", _address(_ITEMS, item_id))

    def get_user(self, user_id: str) -> dict[str, Any]:
        """`{"id", "properties", "created_at", "updated_at"}`. Raises `NotFound`."""
        return self._call("GET", _address(_USERS, user_id))

    def delete_item(self, item_id: str) -> None:
        """From the next request on no replica answers it. Raises `NotFound`."""
        self._call("DELETE", _address(_ITEMS, item_id))

    def delete_user(self, user_id: str) -> None:
        """Raises `NotFound`."""
        self._call("DELETE", _address(_USERS, user_id))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Freshet:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, kind: str, rows: list[dict[str, Any]]) -> WriteAnswer:
        written = 0
        rejected: list[RejectedRow] = []
        for first, batch in _batches(rows):
            body = self._write("PUT", kind, batch)
            written += body["written"]
            rejected += _moved(rejected_rows(body), first)
        return WriteAnswer(written, tuple(rejected))

    def _write(self, method: str, kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch none of whose rows is good is answered with 400 and with the same body as any other."""
        response = self._answered(method, kind, {kind: rows})
        body = _decoded(response)
        if response.is_success:
            return body
        if response.status_code == _REJECTED_STATUS and "results" in body:
            return body
        raise api_error(response.status_code, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self._answered(method, path, body)
        if not response.is_success:
            raise api_error(response.status_code, _decoded(response))
        return _decoded(response) if response.content else {}

    def _answered(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        num_tried = 0
        while True:
            num_tried += 1
            failure: httpx.TransportError | None = None
            response: httpx.Response | None = None
            try:
                response = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                failure = error
            if response is not None and response.status_code not in RETRIED:
                return response
            pause_s = self._retrying.pause_s(num_tried, response.headers.get("Retry-After") if response else None)
            if pause_s is not None:
                self._retrying.sleep(pause_s)
            elif response is not None:
                return response
            else:
                raise NotAnswered(f"{method} {path} was not answered after {num_tried} tries: {failure}") from failure


def _version() -> str:
    try:
        return importlib.metadata.version("freshet-client")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _decoded(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _without_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _address(kind: str, id: str) -> str:
    return f"{kind}/{quote(id, safe='')}"


def _batches(rows: list[dict[str, Any]]) -> Iterable[tuple[int, list[dict[str, Any]]]]:
    return ((first, rows[first : first + ROWS_PER_CALL]) for first in range(0, len(rows), ROWS_PER_CALL))


def _moved(rows: tuple[RejectedRow, ...], by: int) -> list[RejectedRow]:
    """Counted from the first row of the call, not of its batch."""
    return [RejectedRow(row.index + by, row.id, row.problems) for row in rows]
