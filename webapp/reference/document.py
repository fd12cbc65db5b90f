"""The OpenAPI document as operations to show: read once in a process, in the document's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from webapp.accounts.scope_words import calls_by_scope
from webapp.core.errors import NotFound
from webapp.reference.fields import Field, fields_of, resolved

FIRST = ("events_post", "recommend", "rank", "similar")
STATUS_WORDS = {
    "200": "done",
    "201": "made",
    "202": "taken; it goes on",
    "204": "done; there is no body",
    "400": "the request breaks a rule; `extra.problems` says which",
    "401": "no key, or one that does not work",
    "403": "the key lacks the scope",
    "404": "there is no such thing in this project",
    "409": "it does not fit what is so now",
    "413": "the body is too large",
    "415": "the body is of a kind, or packed in a way, that is not known",
    "429": "too many calls; `Retry-After` says when to come back",
    "503": "a server that the call needs does not answer; the same call may succeed later",
}
METHODS = ("get", "post", "put", "patch", "delete")
TAG_ORDER = (
    "events",
    "recommend",
    "items",
    "users",
    "schema",
    "models",
    "runs",
    "searches",
    "deployments",
    "experiments",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Response:
    status: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """`scopes` are those of which a key needs one; none: whoever asks is answered. `schema` is the body's, resolved, or None."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    schema: Mapping[str, Any] | None
    body: tuple[Field, ...]
    responses: tuple[Response, ...]
    scopes: tuple[str, ...]

    @property
    def in_path(self) -> tuple[Parameter, ...]:
        return tuple(one for one in self.parameters if one.place == "path")

    @property
    def words(self) -> str:
        """What a search looks through."""
        return f"{self.id} {self.method} {self.path} {self.summary} {self.tag} {' '.join(self.scopes)}".lower()


@cache
def operations() -> tuple[Operation, ...]:
    """All of them, by tag, in the order of the document."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found = list(_operations(document))
    known = {tag: place for place, tag in enumerate(TAG_ORDER)}
    return tuple(sorted(found, key=lambda one: (known.get(one.tag, len(known)), one.tag, one.id not in FIRST)))


def operation_get(operation_id: str) -> Operation:
    """Raises `NotFound`."""
    found = next((one for one in operations() if one.id == operation_id), None)
    if found is None:
        raise NotFound(f"The API has no operation {operation_id[:60]!r}.")
    return found


def by_tag(query: str = "") -> list[tuple[str, list[Operation]]]:
    """Operations that have every word of the query, by tag."""
    words = query.lower().split()[:10]
    groups: dict[str, list[Operation]] = {}
    for one in operations():
        if all(word in one.words for word in words):
            groups.setdefault(one.tag, []).append(one)
    return list(groups.items())


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    scopes: dict[str, list[str]] = {}
    for scope, calls in calls_by_scope().items():
        for call in calls:
            scopes.setdefault(call, []).append(scope)
    schemas = document["components"]["schemas"]
    for path, of_path in document["paths"].items():
        for method in METHODS:
            if method in of_path:
                yield _operation(path, method, of_path[method], schemas, scopes.get(f"{method.upper()} {path}", []))


def _operation(
    path: str, method: str, said: Mapping[str, Any], schemas: Mapping[str, Any], scopes: list[str]
) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        tag=(said.get("tags") or ["other"])[0],
        summary=said.get("summary", ""),
        description=said.get("description", ""),
        parameters=tuple(
            Parameter(
                one["name"],
                one["in"],
                _type(one.get("schema", {})),
                bool(one.get("required")),
                one.get("description", ""),
            )
            for one in said.get("parameters", [])
        ),
        schema=None if schema is None else resolved(schema, schemas),
        body=() if schema is None else fields_of(schema, schemas),
        responses=tuple(_response(status, one, schemas) for status, one in said.get("responses", {}).items()),
        scopes=tuple(scopes),
    )


def _response(status: str, said: Mapping[str, Any], schemas: Mapping[str, Any]) -> Response:
    schema = said.get("content", {}).get("application/json", {}).get("schema")
    fields = () if schema is None or not status.startswith("2") else fields_of(schema, schemas)
    return Response(status, said.get("description") or STATUS_WORDS.get(status, ""), fields)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(str(one) for one in schema["enum"])
    return str(schema.get("format") or schema.get("type") or "text")
