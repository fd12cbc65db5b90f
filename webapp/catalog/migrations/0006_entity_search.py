"""Indexes for the pages of users and items: ids by their beginning, properties by value and by word, time of creation, what is hidden.

Made beside whoever writes, and so outside a transaction.
"""

from django.db import migrations

ENTITIES = {"catalog_user": "user", "catalog_item": "item"}


def _indexes() -> dict[str, str]:
    made: dict[str, str] = {}
    for table, name in ENTITIES.items():
        made[f"{name}_id_begins"] = f"{table} (project_id, external_id varchar_pattern_ops)"
        made[f"{name}_property"] = f"{table} USING gin (properties jsonb_path_ops)"
        made[f"{name}_word"] = (
            f"""{table} USING gin (jsonb_to_tsvector('simple', properties, '["string", "numeric"]'))"""
        )
        made[f"{name}_created"] = f"{table} (project_id, created_at)"
    made["item_hidden"] = "catalog_item (project_id, external_id) WHERE hidden"
    return made


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("catalog", "0005_item_hidden"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}", f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
        )
        for name, of in _indexes().items()
    ]
