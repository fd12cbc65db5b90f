"""Traffic split between deployments by a sticky hash of the user."""
