"""A click log replayed in event order: counters, co-occurrence, floors, and the whole pipeline over the whole catalogue."""
