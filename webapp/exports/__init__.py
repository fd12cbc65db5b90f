"""Exports: a project's events, items, users or inbox written into a file to download."""
