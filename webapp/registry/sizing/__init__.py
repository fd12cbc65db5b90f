"""What a definition will take before it is trained: rows, memory, files, and what travels."""
