"""From a call for items to an answer without waiting on a thread: choosing, asking replicas, falling back, logging, HTTP."""
