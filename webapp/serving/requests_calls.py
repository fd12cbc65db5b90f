"""The bodies of `POST /recommend`, `/rank` and `/similar`: what each field is, once, for the check and for the reference alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from engine.serving.requests import MAX_CANDIDATES, MAX_EXCLUDE, MAX_K, Ask, Overrides, SessionEvent
from engine.spec.deployment import MAX_RULES, Boost, Diversity, Exploration, Expression
from engine.spec.document import Document
from webapp.serving.asked import Asked
from webapp.serving.requests_parts import (
    MAX_SESSION_EVENTS,
    MAX_TOKEN_CHARACTERS,
    DeploymentName,
    Fields,
    Id,
    Parameters,
    Properties,
    SessionEventBody,
    WholeNumber,
)

SHOWN_OF_RANKING = 25


def _explored(value: Any) -> Any:
    """`false` is no exploration; an object is as in a deployment's document."""
    return {"kind": "none"} if value is False else value


class CallBody(Document, ABC):
    """What every call may say."""

    user_id: Id | None = Field(default=None, description="may be unknown; without one, `session` says what to go by")
    session: list[SessionEventBody] = Field(
        default_factory=list,
        max_length=MAX_SESSION_EVENTS,
        description="what the user just did, oldest first; for this request it is their newest history",
    )
    user_properties: Properties | None = Field(
        default=None, description="instead of what the catalogue knows of the user"
    )
    context: Properties = Field(
        default_factory=dict, description="event properties known now, as the schema declares them"
    )
    deployment: DeploymentName | None = Field(
        default=None, description="instead of the one that the experiment or the default names"
    )
    scenario: DeploymentName | None = Field(default=None, description="another word for deployment")
    parameters: Parameters = Field(default_factory=dict, description="what `$names` of filters and rules are")
    fields: Fields = Field(default_factory=list, description="item properties to answer with each item")
    explain: bool = Field(
        default=False,
        description="answer also where each item came from, what was dropped and why, and what made the scores",
    )
    validate_only: bool = Field(default=False, description="judge the request, answer no items and ask no replica")
    return_experiment: bool = Field(default=False, description="answer also the experiment and the arm of this user")
    timeout_ms: Annotated[WholeNumber, Field(ge=5, le=30_000)] | None = Field(
        default=None, description="after it a fallback answers; unless told, as the deployment says"
    )
    seed: Annotated[WholeNumber, Field(ge=0, lt=2**64)] | None = Field(
        default=None, description="makes what exploration draws repeatable"
    )

    @abstractmethod
    def asked(self, now_ms: int) -> Asked:
        """The call as the rest of the product takes it; what happened without a time happened now."""

    @property
    def deployment_name(self) -> str | None:
        return self.deployment or self.scenario

    def _shared(self, now_ms: int) -> dict[str, Any]:
        """What every call says, as fields of `Asked`."""
        session = (
            SessionEvent(one.type, one.item_id, now_ms if one.timestamp is None else one.timestamp)
            for one in self.session
        )
        return {
            "user_id": self.user_id or "",
            "context": self.context,
            "session": tuple(session) if self.session else (),
            "user_properties": self.user_properties,
            "deployment": self.deployment_name,
            "parameters": self.parameters,
            "fields": tuple(self.fields),
            "explain": self.explain,
            "validate_only": self.validate_only,
            "return_experiment": self.return_experiment,
            "timeout_ms": self.timeout_ms,
            "seed": self.seed,
        }


class _ListBody(CallBody):
    """What calls share whose answer is chosen by the rules of a deployment."""

    k: Annotated[WholeNumber, Field(ge=1, le=MAX_K)] = Field(default=10, description="how many items")
    exclude: list[Id] = Field(default_factory=list, max_length=MAX_EXCLUDE, description="item ids never to answer")
    filter: Expression | None = Field(
        default=None,
        description="only items for which this expression holds, beside the deployment's own (docs/filters.md)",
    )
    boosts: list[Boost] = Field(
        default_factory=list, max_length=MAX_RULES, description="beside those of the deployment"
    )
    diversity: Diversity | None = Field(default=None, description="instead of the deployment's")
    exploration: Annotated[Exploration, BeforeValidator(_explored)] | None = Field(
        default=None,
        validation_alias=AliasChoices("exploration", "explore"),
        description="instead of the deployment's; false for none. `explore` is taken as well",
    )
    next: Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS)] | None = Field(
        default=None, description="`next` of the answer before, for items that were not shown yet"
    )

    def _chosen(self, now_ms: int) -> dict[str, Any]:
        """What these calls say besides, as fields of `Asked`."""
        return self._shared(now_ms) | {
            "k": self.k,
            "exclude": tuple(self.exclude),
            "filter": self.filter,
            "overrides": self._overrides(),
            "next_token": self.next,
        }

    def _overrides(self) -> Overrides | None:
        if not self.boosts and self.diversity is None and self.exploration is None:
            return None
        return Overrides(
            boosts=tuple(one.as_json() for one in self.boosts),
            diversity=None if self.diversity is None else self.diversity.as_json(),
            exploration=None if self.exploration is None else self.exploration.as_json(),
        )


class RecommendBody(_ListBody):
    """`POST /recommend`: the best items for a user."""

    candidates: list[Id] = Field(
        default_factory=list, max_length=MAX_CANDIDATES, description="choose among these and nothing else"
    )

    def asked(self, now_ms: int) -> Asked:
        return Asked(ask=Ask.RECOMMEND, candidates=tuple(self.candidates), **self._chosen(now_ms))


class SimilarBody(_ListBody):
    """`POST /similar`: items like one item; with `user_id` or `session`, for that user."""

    item_id: Id = Field(description="what the items shall be like; it is not among them")

    def asked(self, now_ms: int) -> Asked:
        return Asked(ask=Ask.SIMILAR, item_id=self.item_id, **self._chosen(now_ms))


class RankBody(CallBody):
    """`POST /rank`: the items given, all that are known, best first for a user, whatever a deployment's rules say."""

    candidates: list[Id] = Field(min_length=1, max_length=MAX_CANDIDATES, description="item ids to score")
    shown: Annotated[WholeNumber, Field(ge=0, le=MAX_K)] = Field(
        default=SHOWN_OF_RANKING,
        description="how many of the best are shown to the user, and so logged as the impression; 0: none, you send it yourself",
    )

    def asked(self, now_ms: int) -> Asked:
        candidates = tuple(dict.fromkeys(self.candidates))
        return Asked(
            ask=Ask.RANK,
            k=min(len(candidates), MAX_K),
            candidates=candidates,
            num_logged=self.shown,
            **self._shared(now_ms),
        )
