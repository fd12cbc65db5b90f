"""Users, items and the way in for events."""
