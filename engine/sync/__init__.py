"""Parameters from a trainer to its replicas: numbered, checksummed deltas over the event log."""
