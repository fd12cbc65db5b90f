"""Architectures, one per file, and the compiled forward pass that serving and evaluation share."""
