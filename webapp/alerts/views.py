"""What fires now and did before; the rules; who is told."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.alerts import selectors, services
from webapp.alerts.forms import SILENCES, ChannelForm, RulesForm, SilenceForm
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery
from webapp.alerts.rules import rules_of
from webapp.core.errors import Invalid


@require_GET
@project_page
def alerts(request: HttpRequest, project: Project) -> HttpResponse:
    before = request.GET.get("before", "")
    if before and not (before.isdigit() and len(before) < 19):
        raise Invalid.field("before", "must be a place of an earlier page", repr(before[:40]))
    rules = rules_of(project=project)
    now = timezone.now()
    context = {
        "project": project,
        "page": "alerts",
        "tab": "alerts",
        "firing": [] if before else _described(selectors.alerts_firing(project=project)),
        "pending": [] if before else _described(selectors.alerts_pending(project=project)),
        "past": selectors.alerts_past(project=project, before_id=int(before) if before else None),
        "silenced": [rule for rule in rules.values() if rule.is_silenced(now)],
        "num_watched": sum(rule.is_on for rule in rules.values()),
        "num_channels": selectors.channels_of(project=project).filter(is_on=True).count(),
        "silences": SILENCES,
        "is_first": not before,
    }
    return render(request, "alerts/alerts.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def alert_rules(request: HttpRequest, project: Project) -> HttpResponse:
    rules = rules_of(project=project)
    form = RulesForm(request.POST if request.method == "POST" else None, rules=rules)
    if request.method == "POST" and form.is_valid():
        changed = services.alert_rules_save(project=project, changes=form.changes())
        names = ", ".join(KINDS[kind].label for kind in changed)
        messages.success(request, f"Changed: {names}." if changed else "Nothing was changed.")
        return redirect("alert_rules", project.slug)
    now = timezone.now()
    context = {
        "project": project,
        "page": "alerts",
        "tab": "rules",
        "form": form,
        "silenced": [rule for rule in rules.values() if rule.is_silenced(now)],
        "kinds": [(kind.value, spec.label) for kind, spec in KINDS.items()],
        "silences": SILENCES,
    }
    return render(request, "alerts/rules.html", context, status=400 if form.errors else 200)


@require_POST
@project_page
def alert_silence(request: HttpRequest, project: Project) -> HttpResponse:
    kind = selectors.kind_named(request.POST.get("kind", ""))
    form = SilenceForm(request.POST)
    if not form.is_valid():
        raise Invalid.field("hours", "must be one of the choices", repr(request.POST.get("hours", "")[:20]))
    hours, now = int(form.cleaned_data["hours"]), timezone.now()
    until = now + timedelta(hours=hours) if hours else None
    services.alert_rule_silence(project=project, kind=kind, until=until, now=now)
    label = KINDS[kind].label
    words = f"{label} is silenced until {until:%Y-%m-%d %H:%M} UTC." if until else f"{label} is told of again."
    messages.success(request, words)
    return redirect("alerts", project.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def alert_channels(request: HttpRequest, project: Project) -> HttpResponse:
    form = ChannelForm(request.POST or None)
    made: AlertChannel | None = None
    if request.method == "POST" and form.is_valid():
        try:
            made = services.alert_channel_create(project=project, **form.cleaned_data)
        except REFUSALS as error:
            form.add_error("address", error.message)
        else:
            form = ChannelForm()
    context = {
        "project": project,
        "page": "alerts",
        "tab": "channels",
        "form": form,
        "made": made,
        "channels": selectors.channels_of(project=project),
        "deliveries": selectors.deliveries_of(project=project),
        "mail_is_configured": settings.MAIL_IS_CONFIGURED,
        "mail_host": settings.EMAIL_HOST,
        "mail_from": settings.DEFAULT_FROM_EMAIL,
        "may_be_private": settings.WEBHOOKS_TO_PRIVATE,
    }
    return render(request, "alerts/channels.html", context, status=400 if form.errors else 200)


@require_POST
@project_page
def alert_channel_act(request: HttpRequest, project: Project, channel_id: int) -> HttpResponse:
    channel = selectors.channel_get(project=project, channel_id=channel_id)
    act = request.POST.get("act", "")
    if act == "test":
        sent = services.alert_channel_test(channel=channel, now=timezone.now())
        is_sent = sent.state == AlertDelivery.State.SENT
        say = messages.success if is_sent else messages.error
        say(request, f"Test to {channel.shown_address}: {sent.answer}")
    elif act in ("on", "off"):
        services.alert_channel_switch(channel=channel, is_on=act == "on")
        messages.success(request, f"{channel.shown_address} is {'told again' if act == 'on' else 'not told any more'}.")
    elif act == "delete":
        services.alert_channel_delete(channel=channel)
        messages.success(request, f"{channel.shown_address} is removed.")
    else:
        raise Invalid.field("act", "must be test, on, off or delete", repr(act[:20]))
    return redirect("alert_channels", project.slug)


def _described(found: list[Alert]) -> list[dict[str, object]]:
    return [
        {
            "alert": one,
            "spec": (spec := KINDS[AlertKind(one.kind)]),
            "value": spec.words(one.value),
            "threshold": spec.words(one.threshold) if spec.has_threshold else "",
            "link": one.link if not urlsplit(one.link).netloc else "",
        }
        for one in found
    ]
