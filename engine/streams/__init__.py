"""The event log: one protocol, with partitions and offsets as in Kafka, over memory and PostgreSQL."""
