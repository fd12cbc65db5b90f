"""Amazon's resource names: only what stands behind the last colon counts here, `<kind>/<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from engine.spec.document import shorten
from webapp.accounts.models import Project
from webapp.core.errors import Invalid, NotFound

DEFAULT = "default"
"""`campaign/default` is whom the experiment or the default names."""

MAX_ARN_CHARACTERS = 8_192


def deployment_name(body: Mapping[str, Any]) -> str | None:
    """The deployment that `campaignArn` or `recommenderArn` names; None: the default. Raises `Invalid`."""
    field = "campaignArn" if "campaignArn" in body else "recommenderArn"
    if body.get(field) is None:
        raise Invalid.field(
            "campaignArn", "is required: arn:aws:personalize:::campaign/<deployment>, or …/default", "None"
        )
    name = _resource(body[field], field, ("campaign", "recommender"))
    return None if name == DEFAULT else name


def filter_expression(body: Mapping[str, Any]) -> str | None:
    """What `filterArn` holds behind `filter/`: an expression of ours (docs/filters.md), percent-encoded or not. Raises `Invalid`."""
    if body.get("filterArn") is None:
        return None
    return unquote(_resource(body["filterArn"], "filterArn", ("filter",)))


def check_dataset(body: Mapping[str, Any], project: Project, kind: str) -> None:
    """`datasetArn` must be …:dataset/<project>/<ITEMS or USERS> of the key's own project. Raises `Invalid`, `NotFound`."""
    name = _resource(body.get("datasetArn"), "datasetArn", ("dataset",))
    group, _, of = name.rpartition("/")
    if group != project.slug:
        raise NotFound(f"There is no dataset group {group[:80]!r} for this key; it is of {project.slug!r}.")
    if of != kind:
        raise Invalid.field("datasetArn", f"must end with /{kind}", shorten(body.get("datasetArn")))


def check_tracker(body: Mapping[str, Any], project: Project) -> None:
    """`trackingId` must be the project's name. Raises `NotFound`."""
    if body.get("trackingId") != project.slug:
        raise NotFound(
            f"There is no event tracker {shorten(body.get('trackingId'))} for this key; it is {project.slug!r}."
        )


def _resource(arn: Any, field: str, kinds: tuple[str, ...]) -> str:
    parts = arn.split(":", 5) if isinstance(arn, str) and len(arn) <= MAX_ARN_CHARACTERS else []
    kind, _, name = parts[5].partition("/") if len(parts) == 6 and parts[0] == "arn" else ("", "", "")
    if kind not in kinds or not name:
        raise Invalid.field(field, f"must be arn:aws:personalize:<region>:<account>:{kinds[0]}/<name>", shorten(arn))
    return name
