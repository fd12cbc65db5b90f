"""Alerts: what is watched in every project, when it counts as trouble, and who is told."""
