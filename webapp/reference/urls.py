"""The console's addresses of this room, under `/p/<slug>/`."""

from __future__ import annotations

from django.urls import path

from webapp.reference import views

reference_pages = [
    path("api/", views.api_reference, name="api_reference"),
    path("api/key", views.api_key_mint_page, name="api_key_mint"),
    path("api/<slug:operation_id>/", views.api_operation, name="api_operation"),
]
