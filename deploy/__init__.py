"""What sets Freshet up, starts it and stops it."""
