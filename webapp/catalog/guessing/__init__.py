"""What a file's columns are, guessed from a sample: types, units of time, which is the user, the item, the type and the time."""
