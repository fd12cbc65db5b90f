"""Other people's clients: calls of other recommenders, answered by this one. docs/compat.md says what each does and does not."""
