"""Who did what in a project: entries that are only ever added."""
