"""Versioned declarations: schemas and model definitions."""
