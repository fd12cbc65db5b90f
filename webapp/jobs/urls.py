"""The console's addresses of this room, under `/p/<slug>/`."""

from __future__ import annotations

from django.urls import path

from webapp.jobs import views

job_pages = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/processes", views.processes, name="job_processes"),
    path("jobs/<slug:kind>/<int:work_id>", views.job_act, name="job_act"),
]
