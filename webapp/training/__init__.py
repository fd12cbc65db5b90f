"""Runs, their metrics and checkpoints, joiner progress, and what was published."""
