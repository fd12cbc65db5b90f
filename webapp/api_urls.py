"""Addresses of the REST API. Ids may hold any character, slashes too; declared names are matched as such."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularJSONAPIView

import webapp.accounts.api_scheme
import webapp.core.converters  # noqa: F401  (registers `name`)
from webapp.batches import api as batches
from webapp.catalog import api as catalog
from webapp.catalog import inbox_api as inbox
from webapp.core import api as core
from webapp.core.api_reference import ApiReferenceView
from webapp.erasure import api as erasure
from webapp.experiments import api as experiments
from webapp.experiments import feedback_api as feedback
from webapp.experiments import replay_api as replays
from webapp.registry import api as registry
from webapp.serving import api as serving
from webapp.serving import deployment_api as deployments
from webapp.serving import health_api as health
from webapp.serving import sync_api as sync
from webapp.training import api as training
from webapp.training import search_api as searches

urlpatterns = [
    path("events", catalog.EventsView.as_view()),
    path("dead-events", inbox.DeadEventsView.as_view()),
    path("dead-events/reasons", inbox.DeadReasonsView.as_view()),
    path("dead-events/replay", inbox.DeadEventsReplayView.as_view()),
    path("dead-events/discard", inbox.DeadEventsDiscardView.as_view()),
    path("dead-events/<int:dead_event_id>", inbox.DeadEventView.as_view()),
    path("items", catalog.ItemsView.as_view()),
    path("items/<path:item_id>", catalog.ItemView.as_view()),
    path("users", catalog.UsersView.as_view()),
    path("users/<path:user_id>", catalog.UserView.as_view()),
    path("erasures", erasure.ErasuresView.as_view()),
    path("erasures/<int:erasure_id>", erasure.ErasureView.as_view()),
    path("recommend", serving.RecommendView.as_view()),
    path("rank", serving.RankView.as_view()),
    path("similar", serving.SimilarView.as_view()),
    path("batch-recommendations", batches.BatchesView.as_view()),
    path("batch-recommendations/<int:batch_id>", batches.BatchView.as_view()),
    path("batch-recommendations/<int:batch_id>/result", batches.BatchResultView.as_view()),
    path("schema", registry.SchemaView.as_view()),
    path("definition-schema", registry.DefinitionSchemaView.as_view()),
    path("models", registry.ModelsView.as_view()),
    path("models/<name:name>", registry.ModelView.as_view()),
    path("models/<name:name>/sync", sync.SyncView.as_view()),
    path("models/<name:name>/snapshot", sync.SnapshotView.as_view()),
    path("models/<name:name>/resync", sync.ResyncView.as_view()),
    path("replicas/<str:replica>/drain", sync.DrainView.as_view()),
    path("models/<name:name>/runs", training.ModelRunsView.as_view()),
    path("models/<name:name>/searches", searches.ModelSearchesView.as_view()),
    path("searches/<int:search_id>", searches.SearchView.as_view()),
    path("runs/<int:run_id>", training.RunView.as_view()),
    path("runs/<int:run_id>/metrics", training.RunMetricsView.as_view()),
    path("deployments", deployments.DeploymentsView.as_view()),
    path("deployments/<name:name>", deployments.DeploymentView.as_view()),
    path("deployments/<name:name>/rollback", deployments.DeploymentRollbackView.as_view()),
    path("deployments/<name:name>/feedback", feedback.DeploymentFeedbackView.as_view()),
    path("deployments/<name:name>/replays", replays.DeploymentReplaysView.as_view()),
    path("deployments/<name:name>/revisions", deployments.DeploymentRevisionsView.as_view()),
    path("replays/<int:replay_id>", replays.ReplayView.as_view()),
    path("experiments", experiments.ExperimentsView.as_view()),
    path("experiments/<name:name>", experiments.ExperimentView.as_view()),
    path("health", core.HealthView.as_view(), name="health"),
    path("health/live", health.LiveView.as_view()),
    path("health/ready", health.ReadyView.as_view()),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs/", ApiReferenceView.as_view(), name="api_docs"),
    re_path(r"", core.UnknownAddressView.as_view()),
]
