from django.db import migrations, models


class Migration(migrations.Migration):
    """Another state by name: nothing changes in the database."""

    dependencies = [("notify", "0006_desk_indexes")]

    operations = [
        migrations.AlterField(
            model_name="deadletter",
            name="state",
            field=models.CharField(
                choices=[
                    ("open", "open"),
                    ("replayed", "replayed"),
                    ("discarded", "discarded"),
                    ("delivered", "delivered"),
                ],
                default="open",
                max_length=12,
                verbose_name="state",
            ),
        ),
    ]
