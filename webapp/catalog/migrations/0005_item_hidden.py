from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_inbox_schema_version"),
    ]

    operations = [
        migrations.AddField(
            model_name="item",
            name="hidden",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
