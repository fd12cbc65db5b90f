"""What another policy would have earned, estimated from a log that says how likely each choice was."""
