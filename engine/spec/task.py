"""A task: what a model learns to predict."""

from __future__ import annotations

from engine.spec.document import Document, Name


class Task(Document):
    """One binary label: did an event of this type follow?"""

    name: Name = "click"
    event_type: Name = "click"
