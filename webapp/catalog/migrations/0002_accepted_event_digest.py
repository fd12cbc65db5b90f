"""Event ids are remembered by their digest: half the bytes, one index less to search, and no check of the project at each row."""

import django.db.models.deletion
from django.db import migrations, models

# As webapp.catalog.storage.event_digest makes it, so that what was accepted before is still known.
DIGEST = """
ALTER TABLE catalog_acceptedevent ALTER COLUMN event_id TYPE uuid
    USING encode(substring(sha256(convert_to(event_id, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid;
ALTER TABLE catalog_acceptedevent RENAME COLUMN event_id TO digest;
"""

# The ids themselves are gone: a repeat of one from before is accepted again, and the joiner drops it.
TEXT = """
ALTER TABLE catalog_acceptedevent RENAME COLUMN digest TO event_id;
ALTER TABLE catalog_acceptedevent ALTER COLUMN event_id TYPE varchar(256) USING event_id::text;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.RemoveConstraint(model_name='acceptedevent', name='accepted_event_once'),
        migrations.RunSQL(
            sql=DIGEST,
            reverse_sql=TEXT,
            state_operations=[
                migrations.AlterField(model_name='acceptedevent', name='event_id', field=models.UUIDField()),
                migrations.RenameField(model_name='acceptedevent', old_name='event_id', new_name='digest'),
            ],
        ),
        migrations.AlterField(
            model_name='acceptedevent',
            name='project',
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name='+',
                to='accounts.project',
            ),
        ),
        migrations.AddConstraint(
            model_name='acceptedevent',
            constraint=models.UniqueConstraint(fields=('project', 'digest'), name='accepted_event_once'),
        ),
    ]
