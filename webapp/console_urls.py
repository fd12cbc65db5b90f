"""Addresses of the console. Pages of a project live under `/p/<slug>/`."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

import webapp.core.converters  # noqa: F401  (registers `name`)
from webapp.accounts import key_views as keys
from webapp.accounts import member_views as members
from webapp.accounts import views as accounts
from webapp.alerts.urls import alert_pages
from webapp.audit import views as audit
from webapp.batches import views as batches
from webapp.catalog import entity_page_views as entity_pages
from webapp.catalog import entity_views as entities
from webapp.catalog import import_views as imports
from webapp.catalog import inbox_views as inbox
from webapp.catalog import views as catalog
from webapp.erasure import views as erasure
from webapp.experiments import replay_views as replays
from webapp.experiments import views as experiments
from webapp.exports import views as exports
from webapp.insights import views as insights
from webapp.inspecting import views as inspecting
from webapp.jobs.urls import job_pages
from webapp.overview import live as overview_live
from webapp.overview import views as overview
from webapp.reference.urls import reference_pages
from webapp.registry import model_act_views as model_acts
from webapp.registry import model_form_views as model_forms
from webapp.registry import model_views as models
from webapp.registry import schema_edit_views as schema_edit
from webapp.registry import views as registry
from webapp.serving import deployment_views as deployments
from webapp.serving import document_views as documents
from webapp.serving import live as serving_live
from webapp.serving import preview_views as previews
from webapp.serving import sync_views, try_views
from webapp.serving import views as serving
from webapp.tracing import live as tracing_live
from webapp.tracing import views as tracing
from webapp.training import compare_views as comparisons
from webapp.training import live as training_live
from webapp.training import run_views as one_run
from webapp.training import search_views as searches
from webapp.training import views as training

project_pages = [
    path("", overview.overview, name="overview"),
    path("live", overview_live.overview, name="overview_live"),
    path("keys/", keys.api_keys, name="api_keys"),
    path("keys/<int:key_id>/revoke", keys.api_key_revoke, name="api_key_revoke"),
    path("keys/<int:key_id>/rotate", keys.api_key_rotate, name="api_key_rotate"),
    path("members/", members.members, name="members"),
    path("members/add", members.member_add, name="member_add"),
    path("members/<int:membership_id>", members.member_act, name="member_act"),
    path("members/invitations/<int:invitation_id>", members.invitation_withdraw, name="invitation_withdraw"),
    *alert_pages,
    *job_pages,
    *reference_pages,
    path("audit/", audit.audit, name="audit"),
    path("audit/entries.csv", audit.audit_csv, name="audit_csv"),
    path("schema/", registry.schema, name="schema"),
    path("schema/edit", schema_edit.schema_edit, name="schema_edit"),
    path("schema/preview", schema_edit.schema_preview, name="schema_preview"),
    path("schema/versions/<int:version>", registry.schema_version, name="schema_version"),
    path("data/", insights.events, name="events"),
    path("data/insights/", insights.insights, name="insights"),
    path("data/insights/act", insights.insights_act, name="insights_act"),
    path("data/imports/", imports.imports, name="imports"),
    path("data/imports/begin", imports.import_begin, name="import_begin"),
    path("data/imports/<int:import_id>/", imports.import_page, name="import"),
    path("data/imports/<int:import_id>/piece", imports.import_piece, name="import_piece"),
    path("data/imports/<int:import_id>/choose", imports.import_choose, name="import_choose"),
    path("data/imports/<int:import_id>/act", imports.import_act, name="import_act"),
    path("data/imports/<int:import_id>/rejected", imports.import_rejected, name="import_rejected"),
    path("data/exports/", exports.exports, name="exports"),
    path("data/exports/<int:export_id>/", exports.export, name="export"),
    path("data/exports/<int:export_id>/result", exports.export_result, name="export_result"),
    path("data/exports/<int:export_id>/act", exports.export_act, name="export_act"),
    path("data/upload", RedirectView.as_view(pattern_name="imports"), name="events_upload"),
    path("data/rejected", catalog.rejected, name="rejected_rows"),
    path("data/inbox", inbox.inbox, name="inbox"),
    path("data/inbox/events", inbox.dead_events, name="dead_events"),
    path("data/inbox/events/<int:dead_event_id>", inbox.dead_event, name="dead_event"),
    path("data/inbox/act", inbox.inbox_act, name="inbox_act"),
    path("data/items", entities.items, name="items"),
    path("data/users", entities.users, name="users"),
    path("data/delete/<slug:many>/<path:entity_id>", erasure.erasure_new, name="erasure_new"),
    path("erasures/", erasure.erasures, name="erasures"),
    path("erasures/<int:erasure_id>", erasure.erasure, name="erasure"),
    path("data/hide-item", entities.item_hide, name="item_hide"),
    path("data/new/<slug:many>", entities.entity_new, name="entity_new"),
    path("data/edit/<slug:many>/<path:entity_id>", entities.entity_edit, name="entity_edit"),
    path("data/items/<path:item_id>", entity_pages.item, name="item"),
    path("data/users/<path:user_id>", entity_pages.user, name="user"),
    path("data/debugger/", tracing.event_debugger, name="event_debugger"),
    path("data/debugger/live", tracing_live.event_debugger, name="event_debugger_live"),
    path("data/debugger/trace", tracing.event_trace, name="event_trace"),
    path("data/debugger/trace/live", tracing_live.event_trace, name="event_trace_live"),
    path("models/", models.models, name="models"),
    path("models/start", model_forms.model_start, name="model_start"),
    path("models/new", model_forms.model_new, name="model_new"),
    path("models/preview", model_forms.model_preview, name="model_preview"),
    path("models/<name:name>/", models.model, name="model"),
    path("models/<name:name>/compare", model_acts.model_compare, name="model_compare"),
    path("models/<name:name>/archive", model_acts.model_archive_page, name="model_archive"),
    path("models/<name:name>/unarchive", model_acts.model_unarchive_page, name="model_unarchive"),
    path("models/<name:name>/edit", model_forms.model_edit, name="model_edit"),
    path("models/<name:name>/v<int:version>/run", training.run_start, name="run_start"),
    path("models/<name:name>/v<int:version>/search", searches.search_new, name="search_new"),
    path("searches/", searches.searches, name="searches"),
    path("searches/<int:search_id>/", searches.search, name="search"),
    path("searches/<int:search_id>/stop", searches.search_stop, name="search_stop"),
    path("searches/<int:search_id>/update", searches.search_update, name="search_update"),
    path("searches/<int:search_id>/live", searches.search_live, name="search_live"),
    path("searches/<int:search_id>/trials/<int:number>/publish", searches.trial_publish, name="trial_publish"),
    path("runs/", training.runs, name="runs"),
    path("runs/compare", comparisons.run_compare, name="run_compare"),
    path("runs/compare/curves", comparisons.run_compare_curves, name="run_compare_curves"),
    path("runs/<int:run_id>/", one_run.run, name="run"),
    path("runs/<int:run_id>/quality", one_run.run_quality, name="run_quality"),
    path("runs/<int:run_id>/quality/curves", one_run.run_slice_curves, name="run_slice_curves"),
    path("runs/<int:run_id>/tables", one_run.run_tables, name="run_tables"),
    path("runs/<int:run_id>/log", one_run.run_log_page, name="run_log"),
    path("runs/<int:run_id>/log/update", one_run.run_log_update, name="run_log_update"),
    path("runs/<int:run_id>/log/live", training_live.log, name="run_log_live"),
    path("runs/<int:run_id>/details", one_run.run_details, name="run_details"),
    path("runs/<int:run_id>/stop", training.run_stop, name="run_stop"),
    path("runs/<int:run_id>/resume", training.run_go_on, name="run_resume"),
    path("runs/<int:run_id>/checkpoint", training.run_checkpoint, name="run_checkpoint"),
    path("runs/<int:run_id>/curves", one_run.run_curves, name="run_curves"),
    path("runs/<int:run_id>/metrics", one_run.run_metrics, name="run_metrics"),
    path("runs/<int:run_id>/live", training_live.run, name="run_live"),
    path("sync/", serving.sync, name="sync"),
    path("sync/<name:name>/v<int:version>/", serving.sync_model, name="sync_model"),
    path("sync/<name:name>/v<int:version>/live", serving_live.sync, name="sync_live"),
    path("sync/<name:name>/v<int:version>/snapshot", sync_views.sync_snapshot, name="sync_snapshot"),
    path("sync/<name:name>/v<int:version>/resync", sync_views.sync_resync, name="sync_resync"),
    path("sync/<name:name>/v<int:version>/drain", sync_views.sync_drain, name="sync_drain"),
    path("sync/<name:name>/v<int:version>/pace", sync_views.sync_pace, name="sync_pace"),
    path("deployments/", deployments.deployments, name="deployments"),
    path("deployments/<name:name>/", deployments.deployment, name="deployment"),
    path("deployments/<name:name>/document", documents.deployment_document, name="deployment_document"),
    path("deployments/<name:name>/document/preview", previews.deployment_preview, name="deployment_preview"),
    path("deployments/<name:name>/replays", replays.deployment_replays, name="deployment_replays"),
    path("deployments/<name:name>/replay", replays.deployment_replay, name="deployment_replay"),
    path("replays/<int:replay_id>/stop", replays.replay_stop_page, name="replay_stop"),
    path("deployments/<name:name>/default", deployments.deployment_default, name="deployment_default"),
    path("deployments/<name:name>/rollback", deployments.deployment_roll_back, name="deployment_roll_back"),
    path("deployments/<name:name>/delete", deployments.deployment_delete, name="deployment_delete"),
    path("experiments/", experiments.experiments, name="experiments"),
    path("inspector/", inspecting.inspector, name="inspector"),
    path("experiments/<name:name>/", experiments.experiment, name="experiment"),
    path("experiments/<name:name>/stop", experiments.experiment_stop, name="experiment_stop"),
    path("experiments/<name:name>/act", experiments.experiment_act, name="experiment_act"),
    path("batches/", batches.batches, name="batches"),
    path("batches/<int:batch_id>/", batches.batch, name="batch"),
    path("batches/<int:batch_id>/result", batches.batch_result, name="batch_result"),
    path("batches/<int:batch_id>/stop", batches.batch_stop, name="batch_stop"),
    path("batches/<int:batch_id>/delete", batches.batch_delete, name="batch_delete"),
    path("try/", try_views.try_it, name="try_it"),
    path("try/click", try_views.try_click, name="try_click"),
    path("try/after", try_views.try_after, name="try_after"),
]

urlpatterns = [
    path("", accounts.home, name="home"),
    path("sign-in", accounts.sign_in, name="sign_in"),
    path("sign-out", accounts.sign_out, name="sign_out"),
    path("join/<slug:token>", members.join, name="join"),
    path("p/<slug:slug>/", include(project_pages)),
]
