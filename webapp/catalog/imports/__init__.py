"""Imports through the console: a file uploaded, its columns chosen, taken in by a worker, and what was refused kept for download."""
