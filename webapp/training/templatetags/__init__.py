"""Django's registration of the training pages' template filters."""
