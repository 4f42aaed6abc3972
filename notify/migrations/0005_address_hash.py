from django.db import migrations, models


class Migration(migrations.Migration):
    """A column without a default, which no row is written for: what is older is not found by it."""

    dependencies = [("notify", "0004_delivery_receipt")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="delivery",
            name="address_hash",
            field=models.BigIntegerField(null=True, verbose_name="keyed hash of the address"),
        ),
        migrations.AlterField(
            model_name="event",
            name="type",
            field=models.CharField(
                choices=[
                    ("switched", "switched channel"),
                    ("receipt", "receipt"),
                    ("callback", "status callback"),
                    ("cancelled", "cancelled"),
                    ("expired", "expired"),
                    ("buried", "buried"),
                    ("replayed", "replayed"),
                    ("discarded", "discarded"),
                    ("held", "held"),
                    ("marked_sent", "marked as sent"),
                    ("released", "lease ran out"),
                ],
                max_length=16,
                verbose_name="type",
            ),
        ),
    ]
