from django.db import migrations, models


class Migration(migrations.Migration):
    """A column without a default, which no row is written for, and a small table more."""

    dependencies = [("notify", "0002_lane_load")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="delivery",
            name="receipt_until",
            field=models.DateTimeField(null=True, verbose_name="receipt awaited until"),
        ),
        migrations.CreateModel(
            name="EarlyReceipt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("provider", models.CharField(max_length=64, verbose_name="provider")),
                ("provider_message_id", models.CharField(max_length=255, verbose_name="provider's id")),
                ("delivered", models.BooleanField(verbose_name="delivered")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("detail", models.TextField(blank=True, default="", verbose_name="detail")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                ("due_at", models.DateTimeField(verbose_name="due at")),
            ],
            options={
                "verbose_name": "early receipt",
                "verbose_name_plural": "early receipts",
                "indexes": [models.Index(fields=["due_at"], name="notify_early_receipt_due")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "provider_message_id", "delivered"), name="notify_early_receipt_once"
                    )
                ],
            },
        ),
    ]
