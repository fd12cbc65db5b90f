"""The control plane and public API: Django 5.2, owner of PostgreSQL. Never imports TensorFlow or the workers."""
