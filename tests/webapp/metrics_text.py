"""What `/metrics` says."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def value_of(text: str, name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
