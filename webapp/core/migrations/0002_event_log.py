"""The embedded event log's tables. Rolling back keeps them: they hold acknowledged events."""

from django.db import migrations

from engine.streams.postgres import SCHEMA_SQL


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(SCHEMA_SQL, migrations.RunSQL.noop)]
