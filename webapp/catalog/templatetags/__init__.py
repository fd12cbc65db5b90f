"""Django's registration of what every page of a project says of its data."""
