"""A client of Freshet, the recommendation service that learns while it serves."""

from freshet_client.answers import (
    AnsweringModel,
    IngestAnswer,
    RankedItem,
    Recommendation,
    RejectedRow,
    WriteAnswer,
)
from freshet_client.client import Freshet
from freshet_client.documents import Event, Item, SessionEvent, User
from freshet_client.errors import ApiError, FreshetError, Invalid, NotAnswered, NotFound, QueueFull, Refused
from freshet_client.retrying import Retrying
from freshet_client.writer import EventWriter

__all__ = [
    "AnsweringModel",
    "ApiError",
    "Event",
    "EventWriter",
    "Freshet",
    "FreshetError",
    "IngestAnswer",
    "Invalid",
    "Item",
    "NotAnswered",
    "NotFound",
    "QueueFull",
    "RankedItem",
    "Recommendation",
    "Refused",
    "RejectedRow",
    "Retrying",
    "SessionEvent",
    "User",
    "WriteAnswer",
]
