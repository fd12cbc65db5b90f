from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0006_run_starting_point"),
    ]

    operations = [
        migrations.AddField(
            model_name="joinerprogress",
            name="tallies",
            field=models.JSONField(
                default=dict, help_text="what became of events by each of the joiner's rules, and what waits"
            ),
        ),
    ]
