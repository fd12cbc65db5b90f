"""A project's home: the way from empty to live, its health, what changed lately, and what needs attention."""
