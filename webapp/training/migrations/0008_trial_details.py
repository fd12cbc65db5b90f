from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0007_joiner_tallies")]

    operations = [
        migrations.AddField(
            model_name="trial",
            name="details",
            field=models.JSONField(
                default=dict,
                help_text="`seeds`: the metric by seed; `epochs`: the metric after each epoch of the first seed",
            ),
        ),
    ]
