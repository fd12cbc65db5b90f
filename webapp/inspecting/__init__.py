"""One recommendation looked at from request to answer, and from what was shown to what came of it."""
