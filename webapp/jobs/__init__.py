"""Everything that workers do for a project, in one list; and the processes that do it."""
