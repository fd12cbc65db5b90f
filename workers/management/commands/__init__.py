"""Management commands that measure."""
