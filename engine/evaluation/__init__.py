"""Metrics of a stream, computed before each example is learned, and a generated stream whose structure is known."""
