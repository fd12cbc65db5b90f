"""Gorse's addresses: give PyGorse `<our address>/gorse` as its entry point."""

from __future__ import annotations

from django.urls import path, re_path

from webapp.compat.gorse import entities_api as entities
from webapp.compat.gorse import feedback_api as feedback
from webapp.compat.gorse import recommend_api as recommend
from webapp.compat.gorse.views import UnsupportedView

NO_DELETE = (
    "Feedback cannot be deleted: the log of events is what every model is trained from. Delete the user or the item."
)
UNKNOWN = "This call of Gorse's is not answered here; docs/compat.md lists those that are."

urlpatterns = [
    path("item", entities.ItemView.as_view()),
    path("items", entities.ItemsView.as_view()),
    path("item/<str:item_id>", entities.OneItemView.as_view()),
    path("item/<str:item_id>/neighbors", recommend.NeighborsView.as_view()),
    path("item/<str:item_id>/neighbors/<str:category>", recommend.NeighborsView.as_view()),
    path("user", entities.UserView.as_view()),
    path("users", entities.UsersView.as_view()),
    path("user/<str:user_id>", entities.OneUserView.as_view()),
    path("user/<str:user_id>/feedback", feedback.UserFeedbackView.as_view()),
    path("user/<str:user_id>/feedback/<str:feedback_type>", feedback.UserFeedbackView.as_view()),
    path("feedback", feedback.FeedbackView.as_view()),
    path("feedback/<str:user_id>/<str:item_id>", UnsupportedView.as_view(why_not=NO_DELETE)),
    re_path(r"^recommend/(?P<user_id>[^/]+)/?$", recommend.RecommendView.as_view()),
    path("recommend/<str:user_id>/<str:category>", recommend.RecommendView.as_view()),
    path("session/recommend", recommend.SessionView.as_view()),
    re_path(r"^latest/?$", recommend.LatestView.as_view()),
    path("latest/<str:category>", recommend.LatestView.as_view()),
    path("health/live", recommend.HealthView.as_view()),
    path("health/ready", recommend.HealthView.as_view()),
    re_path(r"", UnsupportedView.as_view(why_not=UNKNOWN)),
]
