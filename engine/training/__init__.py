"""The training step, the batch and the online loop, and all the state that a checkpoint carries."""
