"""Embedding tables as the rest of the engine sees them. Imports engine_cc, which nothing else but engine/features does."""
