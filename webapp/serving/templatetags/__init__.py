"""Template tags of serving's pages."""
