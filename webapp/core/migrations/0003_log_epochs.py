"""The log's tables again: partitions know the epoch of who writes them."""

from django.db import migrations

from engine.streams.postgres import SCHEMA_SQL


class Migration(migrations.Migration):
    dependencies = [("core", "0002_event_log")]

    operations = [migrations.RunSQL(SCHEMA_SQL, migrations.RunSQL.noop)]
