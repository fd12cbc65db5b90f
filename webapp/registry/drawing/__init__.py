"""The picture of a definition: what goes in, what becomes of it, and what comes out."""
