"""What a project's data is like: counts of events over time, and findings about it with what to do."""
