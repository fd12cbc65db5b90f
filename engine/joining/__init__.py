"""Impressions and the actions that follow them, joined into examples."""
