"""Gorse's REST calls, as its published client PyGorse makes them."""
