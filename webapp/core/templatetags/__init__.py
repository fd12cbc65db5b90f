"""Django's registration of the console's template filters."""
