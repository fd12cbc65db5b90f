"""The recommendation engine: specs, features, embedding tables, models, training, sync and serving. No Django, no Celery, no HTTP."""
