"""What a project's rules make of what is measured, and what is sent of it: each change once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.operate.receiver import Receiver, receiver
from webapp.accounts.models import Project
from webapp.alerts import services
from webapp.alerts.delivering import deliveries_send_due
from webapp.alerts.evaluating import alerts_evaluate
from webapp.alerts.judging import Change
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.measured import Measured, UnknownNow
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery
from webapp.alerts.selectors import alerts_open
from webapp.alerts.webhook import signature
from webapp.audit.models import AuditEntry
from webapp.core.errors import Conflict, Invalid

LINK = "/p/shop/sync/"
LIMIT = KINDS[AlertKind.FRESHNESS]


class Watch:
    """A project watched over a made-up value of freshness, at seconds from the start."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.start = timezone.now()

    def at(self, second: float) -> datetime:
        return self.start + timedelta(seconds=second)

    def turn(self, second: float, value: float | None) -> list[Change]:
        def measure(_: Project, __: datetime) -> list[Measured]:
            return [] if value is None else [Measured(value, "ranker v2", LINK)]

        changes = alerts_evaluate(project=self.project, now=self.at(second), measures={AlertKind.FRESHNESS: measure})
        return [change for _, change in changes]

    def fire(self) -> None:
        assert self.turn(0, 99) == []
        assert self.turn(LIMIT.for_s, 99) == [Change.FIRED]

    def end(self) -> None:
        assert self.turn(LIMIT.for_s + 15, 1) == []
        assert self.turn(LIMIT.for_s + 75, 1) == [Change.RESOLVED]


@pytest.fixture
def watch(project: Project) -> Watch:
    return Watch(project)


@pytest.fixture
def inside(settings: Any) -> None:
    settings.WEBHOOKS_TO_PRIVATE = True
    settings.PUBLIC_URL = "https://freshet.example"


def webhook(project: Project, there: Receiver) -> AlertChannel:
    return services.alert_channel_create(project=project, kind="webhook", address=there.url)


def test_it_opens_an_alert_that_lasts_and_ends_it(watch: Watch, project: Project) -> None:
    watch.fire()
    (one,) = alerts_open(project=project)
    assert (one.kind, one.since, one.link) == ("freshness", watch.at(0), LINK)
    assert one.message == "Freshness of ranker v2: 99.0 s, limit 10.0 s"
    watch.end()
    assert alerts_open(project=project) == []
    kept = Alert.objects.get(project=project)
    assert (kept.state, kept.peak, kept.resolved_at) == ("resolved", 99, watch.at(LIMIT.for_s + 75))


def test_it_leaves_no_trace_of_a_peak(watch: Watch, project: Project) -> None:
    watch.turn(0, 99)
    assert Alert.objects.filter(project=project, state="pending").exists()
    watch.turn(15, 2)
    assert not Alert.objects.filter(project=project).exists()


@pytest.mark.parametrize("error", [UnknownNow("no answer"), RuntimeError("broken")])
def test_it_leaves_alerts_as_they_stand_when_nothing_can_be_measured(
    watch: Watch, project: Project, error: Exception
) -> None:
    def fail(_: Project, __: datetime) -> list[Measured]:
        raise error

    watch.fire()
    alerts_evaluate(project=project, now=watch.at(9999), measures={AlertKind.FRESHNESS: fail})
    assert len(alerts_open(project=project)) == 1


def test_it_goes_by_the_projects_own_rule(watch: Watch, project: Project, other_project: Project) -> None:
    own = services.RuleChange(AlertKind.FRESHNESS, True, 200, 0)
    assert services.alert_rules_save(project=project, changes=[own]) == [AlertKind.FRESHNESS]
    assert services.alert_rules_save(project=project, changes=[own]) == []
    assert watch.turn(0, 199) == []
    assert watch.turn(1, 201) == [Change.FIRED]
    assert Watch(other_project).turn(0, 201) == []
    off = services.RuleChange(AlertKind.FRESHNESS, False, 200, 0)
    services.alert_rules_save(project=project, changes=[off])
    watch.turn(10, 201)
    assert watch.turn(70, 201) == [Change.RESOLVED]


@pytest.mark.parametrize(("threshold", "for_s"), [(float("nan"), 0), (-1, 0), (1, -1), (1, 90_000)])
def test_it_refuses_a_rule_that_makes_no_sense(project: Project, threshold: float, for_s: int) -> None:
    with pytest.raises(Invalid):
        services.alert_rules_save(
            project=project, changes=[services.RuleChange(AlertKind.DISK, True, threshold, for_s)]
        )


def test_it_tells_a_webhook_once_of_each_change(watch: Watch, project: Project, inside: None) -> None:
    with receiver() as there:
        channel = webhook(project, there)
        watch.fire()
        watch.turn(LIMIT.for_s + 1, 99)
        for second in (LIMIT.for_s, LIMIT.for_s + 1, LIMIT.for_s + 999):
            deliveries_send_due(now=watch.at(second))
        watch.turn(LIMIT.for_s + 2, 99)
        watch.end()
        deliveries_send_due(now=watch.at(9999))
    bodies = [json.loads(one.body) for one in there.got]
    assert [one["transition"] for one in bodies] == ["firing", "resolved"]
    assert bodies[0]["message"] == "Freshness of ranker v2: 99.0 s, limit 10.0 s"
    assert (bodies[0]["value"], bodies[0]["threshold"], bodies[0]["unit"]) == (99, 10, "s")
    assert bodies[0]["link"] == f"https://freshet.example{LINK}"
    assert bodies[0]["message_id"] == there.got[0].headers["Freshet-Message-Id"]
    signed = there.got[0].headers["Freshet-Signature"]
    at_s = int(signed.split(",")[0].removeprefix("t="))
    assert signed == signature(channel.secret, at_s, there.got[0].body)


def test_it_tries_again_later_with_the_same_message(watch: Watch, project: Project, inside: None) -> None:
    with receiver() as there:
        webhook(project, there)
        there.status, there.text = 503, b"later"
        watch.fire()
        at = LIMIT.for_s
        for second in (at, at + 1, at + 29, at + 30, at + 31):
            deliveries_send_due(now=watch.at(second))
        delivery = AlertDelivery.objects.get(project=project)
        assert (delivery.state, delivery.num_attempts, delivery.answer) == ("waiting", 2, "status 503: later")
        there.status = 204
        deliveries_send_due(now=watch.at(at + 151))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.num_attempts, delivery.next_at) == ("sent", 3, None)
    assert len({one.headers["Freshet-Message-Id"] for one in there.got}) == 1


def test_it_gives_a_message_up_in_the_end(watch: Watch, project: Project, inside: None) -> None:
    with receiver() as there:
        webhook(project, there)
        there.status = 500
        watch.fire()
        for turn in range(10):
            deliveries_send_due(now=watch.at(LIMIT.for_s + 4000 * turn))
    assert len(there.got) == 5
    assert AlertDelivery.objects.get(project=project).state == "failed"


def test_it_does_not_tell_that_something_began_once_it_is_over(watch: Watch, project: Project, inside: None) -> None:
    with receiver() as there:
        webhook(project, there)
        watch.fire()
        watch.end()
        deliveries_send_due(now=watch.at(9999))
    assert [json.loads(one.body)["transition"] for one in there.got] == ["resolved"]


def test_it_tells_nobody_while_silenced_and_afterwards_what_still_fires(watch: Watch, project: Project) -> None:
    services.alert_channel_create(project=project, kind="email", address="ops@example.org")
    services.alert_rule_silence(project=project, kind=AlertKind.FRESHNESS, until=watch.at(3600), now=watch.at(0))
    watch.fire()
    assert not AlertDelivery.objects.exists()
    assert len(alerts_open(project=project)) == 1
    watch.turn(3601, 99)
    assert [one.transition for one in AlertDelivery.objects.all()] == ["firing"]
    with pytest.raises(Invalid):
        services.alert_rule_silence(project=project, kind=AlertKind.DISK, until=watch.at(-1), now=watch.at(0))


def test_it_sends_mail(watch: Watch, project: Project, mailoutbox: list[Any]) -> None:
    services.alert_channel_create(project=project, kind="email", address="ops@example.org")
    watch.fire()
    deliveries_send_due(now=watch.at(LIMIT.for_s))
    (mail,) = mailoutbox
    assert mail.to == ["ops@example.org"]
    assert mail.subject == "[Freshet shop] Firing: Freshness of ranker v2: 99.0 s, limit 10.0 s"
    assert LINK in mail.body


def test_it_takes_only_addresses_that_can_be_told(project: Project) -> None:
    for kind, address in (("webhook", "gopher://x"), ("email", "nobody"), ("pigeon", "roof")):
        with pytest.raises(Invalid):
            services.alert_channel_create(project=project, kind=kind, address=address)
    services.alert_channel_create(project=project, kind="email", address="ops@example.org")
    with pytest.raises(Conflict):
        services.alert_channel_create(project=project, kind="email", address=" ops@example.org ")


def test_it_forgets_what_ended_long_ago(watch: Watch, project: Project) -> None:
    watch.fire()
    services.alerts_prune(now=watch.at(0) + timedelta(days=400))
    assert Alert.objects.filter(project=project).exists()
    watch.end()
    services.alerts_prune(now=watch.at(0) + timedelta(days=89))
    assert Alert.objects.filter(project=project).exists()
    services.alerts_prune(now=watch.at(0) + timedelta(days=91))
    assert not Alert.objects.filter(project=project).exists()


def test_it_shows_what_fires_and_lets_it_be_silenced(watch: Watch, project: Project, browser: Client) -> None:
    watch.fire()
    page = reverse("alerts", args=[project.slug])
    assert "Mend it" in browser.get(page).content.decode()
    answer = browser.post(reverse("alert_silence", args=[project.slug]), {"kind": "freshness", "hours": "4"})
    assert answer.status_code == 302
    assert "is silenced until" in browser.get(page).content.decode()
    browser.post(reverse("alert_silence", args=[project.slug]), {"kind": "freshness", "hours": "0"})
    assert "is silenced until" not in browser.get(page, follow=True).content.decode().split("Firing now")[1]
    assert browser.post(reverse("alert_silence", args=[project.slug]), {"kind": "nope"}).status_code == 404
    watch.end()
    assert "99.0 s" in browser.get(page).content.decode()
    assert browser.get(page, {"before": "x"}).status_code == 400


def test_it_saves_rules_from_the_page(project: Project, browser: Client) -> None:
    page = reverse("alert_rules", args=[project.slug])
    assert browser.get(page).status_code == 200
    given = {f"{kind}-threshold": "7" for kind in KINDS} | {f"{kind}-for": "5" for kind in KINDS}
    assert browser.post(page, given | {"disk-on": "on", "disk-threshold": "75.5"}).status_code == 302
    saved = {one.kind: one for one in project.alert_rules.all()}
    assert (saved["disk"].is_on, saved["disk"].threshold, saved["disk"].for_s) == (True, 75.5, 5)
    assert not saved["lag" if "lag" in saved else "joiner_lag"].is_on
    assert browser.post(page, given | {"disk-for": "-1"}).status_code == 400
    assert AuditEntry.objects.filter(action="alert_rules_save", actor_name="member").count() == 1


def test_it_adds_tests_and_removes_a_channel_from_the_page(project: Project, browser: Client, inside: None) -> None:
    page = reverse("alert_channels", args=[project.slug])
    with receiver() as there:
        shown = browser.post(page, {"kind": "webhook", "address": there.url}).content.decode()
        channel = AlertChannel.objects.get(project=project)
        assert channel.secret in shown
        assert channel.secret not in browser.get(page).content.decode()
        assert "abcdefgh" not in browser.get(page).content.decode()
        act = reverse("alert_channel_act", args=[project.slug, channel.pk])
        assert "status 200: thanks" in browser.post(act, {"act": "test"}, follow=True).content.decode()
        there.status = 500
        assert "status 500" in browser.post(act, {"act": "test"}, follow=True).content.decode()
    assert AlertDelivery.objects.filter(state="waiting").count() == 0
    browser.post(act, {"act": "off"})
    channel.refresh_from_db()
    assert not channel.is_on
    assert browser.post(act, {"act": "dance"}).status_code == 400
    browser.post(act, {"act": "delete"})
    assert not AlertChannel.objects.filter(project=project).exists()
    assert browser.post(page, {"kind": "email", "address": "nobody"}).status_code == 400
