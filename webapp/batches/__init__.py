"""Recommendations for many users at once, written to a file."""
