"""Where receipts are found."""

from __future__ import annotations

from webapp.erasure.models import Erasure


def erasure_address(erasure: Erasure) -> str:
    """The path of the receipt in the API."""
    return f"/api/v1/erasures/{erasure.pk}"
