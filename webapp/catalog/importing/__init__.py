"""Files into events: what a column means, reading with bounded memory, loading that resumes, replaying as a stream."""
