"""Requests and answers about searches."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody
from webapp.training.search_models import Search, Trial


class SearchBody(RequestBody):
    version = serializers.IntegerField(required=False, default=None, min_value=1, help_text="the newest unless told")
    settings = serializers.DictField(
        help_text="`varies` (a list of `choice`, `range` and `log_range`, each with the `path` in the definition), `num_trials`, "
        "`max_minutes`, `num_seeds`, `metric`, `task`, `fraction`, `prunes`, `seed`, `input_file`"
    )


class SearchActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop", "publish"])
    trial = serializers.IntegerField(
        required=False, default=None, min_value=0, help_text="publish: the number of the trial that becomes a version"
    )


class TrialAnswer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    params = serializers.DictField(help_text="path in the definition -> value")
    state = serializers.ChoiceField(choices=Trial.State.choices)
    value = serializers.FloatField(allow_null=True)
    rungs = serializers.DictField(help_text="the metric on the way")
    details = serializers.DictField(help_text="`seeds`: the metric by seed; `epochs`: the metric after each epoch")
    error = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class SearchAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    model = serializers.CharField()
    version = serializers.IntegerField()
    settings = serializers.DictField()
    state = serializers.ChoiceField(choices=Search.State.choices)
    wanted = serializers.BooleanField(help_text="false: it is stopping, or has ended")
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class SearchDetailAnswer(SearchAnswer):
    trials = TrialAnswer(many=True, help_text="the best first")
    published_version = serializers.IntegerField(
        allow_null=True, help_text="after the action `publish`: the model's version that the trial became"
    )


class SearchesAnswer(serializers.Serializer[Any]):
    searches = SearchAnswer(many=True)
