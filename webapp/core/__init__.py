"""What every room of the control plane shares: errors at the door, leases, the event log's connection, paging, live streams."""
