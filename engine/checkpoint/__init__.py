"""Folders written aside, checksummed and renamed: checkpoints and snapshots."""
