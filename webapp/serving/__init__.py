"""Deployments, replicas and their positions, and the recommend call."""
