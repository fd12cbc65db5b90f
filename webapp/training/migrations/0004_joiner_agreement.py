from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0003_run_report'),
    ]

    operations = [
        migrations.AddField(
            model_name='joinerprogress',
            name='agreement',
            field=models.JSONField(default=dict, help_text='by source, how many values that serving logged the log says too'),
        ),
    ]
