"""Item vectors by catalogue row, and the search for those nearest to a user's."""
