"""From what is asked to what a replica is asked: the schema's judgement, the deployment, the addresses. All of it is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from engine.serving.requests import RecommendRequest
from engine.spec.deployment import DeploymentDocument
from engine.spec.schema import Property, Schema
from engine.spec.validation import PropertyValidator
from webapp.accounts.models import Project
from webapp.core.remembered import Remembered
from webapp.experiments.choosing import Chosen, Shadow
from webapp.experiments.selectors import deployment_for
from webapp.registry.selectors import schema_compiled
from webapp.serving.asked import Asked
from webapp.serving.impression import ImpressionType, impression_type
from webapp.serving.models import Deployment
from webapp.serving.next_token import tokens_of, whom_of
from webapp.serving.selectors import replica_addresses


@dataclass(frozen=True, slots=True)
class SchemaRules:
    """One version of a schema as requests need it."""

    schema: Schema
    context: PropertyValidator
    users: PropertyValidator
    impression: ImpressionType | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that an answer needs besides a replica. `impression` None: nothing is to be logged."""

    project: Project
    asked: Asked
    request: RecommendRequest
    chosen: Chosen
    document: DeploymentDocument
    impression: ImpressionType | None
    addresses: tuple[str, ...]
    timeout_s: float

    @property
    def whom(self) -> bytes:
        """What a `next` token of the answer is bound to."""
        return whom_of(self.project.pk, self.asked.ask, self.asked.user_id, self.asked.item_id)


# Both by a version that never changes: what is kept stays true.
_rules: Remembered[tuple[int, int], SchemaRules] = Remembered(float("inf"), max_entries=256)
_documents: Remembered[tuple[int, int], DeploymentDocument] = Remembered(float("inf"), max_entries=1024)


def prepare(project: Project, asked: Asked, now_s: float) -> Prepared:
    """Reads what is remembered, and PostgreSQL where nothing is. `now_s` is seconds since the epoch.

    Raises `Invalid` for a `next` that is not good, `InvalidDocument` for a context or properties that the schema does not declare,
    `NotFound` when nothing is deployed.
    """
    rules = rules_of(project)
    shown: tuple[int, ...] = ()
    if asked.next_token is not None:
        whom = whom_of(project.pk, asked.ask, asked.user_id, asked.item_id)
        shown = tokens_of(settings.SECRET_KEY).read(whom, asked.next_token, now_s)
    chosen = deployment_for(project=project, user_id=asked.user_id, name=asked.deployment)
    document = document_of(chosen.deployment)
    return Prepared(
        project=project,
        asked=asked,
        request=_request(project, asked, chosen.deployment.name, rules, shown),
        chosen=chosen,
        document=document,
        impression=rules.impression if asked.is_logged and asked.user_id else None,
        addresses=replica_addresses(),
        timeout_s=(asked.timeout_ms or document.timeout_ms) / 1000,
    )


def shadow_request(prepared: Prepared, shadow: Shadow) -> RecommendRequest:
    """The same request, put to another deployment."""
    rules = rules_of(prepared.project)
    return _request(prepared.project, prepared.asked, shadow.deployment.name, rules, prepared.request.shown)


def rules_of(project: Project) -> SchemaRules:
    compiled = schema_compiled(project=project)
    return _rules.get((project.pk, compiled.version), lambda: _compile(compiled.schema))


def document_of(deployment: Deployment) -> DeploymentDocument:
    """The deployment's document, parsed once for each revision."""
    return _documents.get(
        (deployment.pk, deployment.revision), lambda: DeploymentDocument.parse(deployment.document, "deployment")
    )


def _compile(schema: Schema) -> SchemaRules:
    declared: dict[str, Property] = {}
    for event_type in schema.events.values():
        declared |= event_type.properties
    return SchemaRules(
        schema=schema,
        context=PropertyValidator(declared, "context"),
        users=PropertyValidator(schema.users, "user_properties"),
        impression=impression_type(schema),
    )


def _request(
    project: Project, asked: Asked, deployment: str, rules: SchemaRules, shown: tuple[int, ...]
) -> RecommendRequest:
    return RecommendRequest(
        project=project.slug,
        deployment=deployment,
        user_id=asked.user_id,
        k=asked.k,
        context=_checked(rules.context, asked.context) if asked.context else {},
        exclude=asked.exclude,
        candidates=asked.candidates,
        user_properties=None if asked.user_properties is None else _checked(rules.users, asked.user_properties),
        ask=asked.ask,
        item_id=asked.item_id,
        session=asked.session,
        filter=asked.filter,
        parameters=asked.parameters,
        overrides=asked.overrides,
        shown=shown,
        fields=asked.fields,
        explain=asked.explain,
        seed=asked.seed,
        num_logged=asked.num_logged,
    )


def _checked(validator: PropertyValidator, properties: Mapping[str, Any]) -> dict[str, Any]:
    checked = validator.validate(dict(properties), partial=True)
    return {name: value for name, value in checked.items() if value is not None}
