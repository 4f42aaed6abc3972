from django.db import migrations, models


class Migration(migrations.Migration):
    """One small table more: nothing that is there is touched."""

    dependencies = [("notify", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="LaneLoad",
            fields=[
                ("lane", models.CharField(max_length=24, primary_key=True, serialize=False, verbose_name="lane")),
                ("depth", models.PositiveIntegerField(verbose_name="depth")),
                ("capped", models.BooleanField(default=False, verbose_name="not counted further")),
                ("per_second", models.FloatField(null=True, verbose_name="drained a second")),
                ("measured_at", models.DateTimeField(verbose_name="measured at")),
                ("again_at", models.DateTimeField(verbose_name="to be measured again at")),
            ],
            options={"verbose_name": "lane load", "verbose_name_plural": "lane loads"},
        ),
    ]
