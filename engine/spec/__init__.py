"""Schemas, model definitions, events and examples as frozen, versioned documents. Imports nothing heavy."""
