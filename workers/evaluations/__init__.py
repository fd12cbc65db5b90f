"""The arguments of each evaluation and experiment, and what they call in `engine.evaluation`."""
