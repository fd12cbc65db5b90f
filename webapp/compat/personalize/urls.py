"""Amazon's addresses: give boto3's `personalize-runtime` and `personalize-events` `<our address>/personalize` as endpoint_url."""

from __future__ import annotations

from django.urls import path, re_path

from webapp.compat.personalize import api

urlpatterns = [
    path("recommendations", api.GetRecommendationsView.as_view()),
    path("personalize-ranking", api.GetPersonalizedRankingView.as_view()),
    path("events", api.PutEventsView.as_view()),
    path("items", api.PutItemsView.as_view()),
    path("users", api.PutUsersView.as_view()),
    re_path(r"", api.UnknownCallView.as_view()),
]
