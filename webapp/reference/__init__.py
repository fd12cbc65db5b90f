"""The API reference inside the console: every operation of the OpenAPI document, filled in with a project's own values."""
