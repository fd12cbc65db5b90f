"""What somebody asks, checked and plain, whichever way it came in: our own API, another product's, or a page of the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.serving.requests import Ask, Overrides, SessionEvent


@dataclass(frozen=True, slots=True)
class Asked:
    """A call for items, before the schema, a deployment and a replica are known.

    The fields are those of `engine.serving.requests.RecommendRequest`, and besides: `deployment` is the one asked for by name (None:
    whom the experiment or the default names), `next_token` is `next` of an earlier answer, `timeout_ms` replaces the deployment's,
    `validate_only` judges and answers nothing, `return_experiment` tells the experiment and its arm. Only the first
    `num_logged` are shown and logged as the impression (None: all); `is_logged` False keeps the impression out of the log, for answers
    that nobody is shown. `context` and `user_properties` are as received: the schema judges them.
    """

    ask: Ask = Ask.RECOMMEND
    user_id: str = ""
    k: int = 10
    context: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    item_id: str = ""
    session: tuple[SessionEvent, ...] = ()
    user_properties: Mapping[str, Any] | None = None
    deployment: str | None = None
    filter: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    overrides: Overrides | None = None
    fields: tuple[str, ...] = ()
    explain: bool = False
    validate_only: bool = False
    next_token: str | None = None
    return_experiment: bool = False
    timeout_ms: int | None = None
    seed: int | None = None
    num_logged: int | None = None
    is_logged: bool = True
