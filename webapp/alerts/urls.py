"""The console's addresses of this room, under `/p/<slug>/`."""

from __future__ import annotations

from django.urls import path

from webapp.alerts import views

alert_pages = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/rules", views.alert_rules, name="alert_rules"),
    path("alerts/silence", views.alert_silence, name="alert_silence"),
    path("alerts/channels", views.alert_channels, name="alert_channels"),
    path("alerts/channels/<int:channel_id>", views.alert_channel_act, name="alert_channel_act"),
]
