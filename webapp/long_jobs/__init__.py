"""What searches, batches, replays, imports and exports share: states, services, pages. No app: its models are abstract."""
