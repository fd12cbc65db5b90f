"""A PostgreSQL backend for Django whose connections outlive a request under ASGI."""
