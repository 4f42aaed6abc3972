from django.db import migrations, models


class Migration(migrations.Migration):
    """A table for jobs of the desk, and a list of held messages that has none of its own."""

    dependencies = [("admin_portal", "0002_audit_and_roles"), ("notify", "0006_desk_indexes")]

    operations = [
        migrations.CreateModel(
            name="DeskJob",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("replay", "replay dead letters"),
                            ("discard", "discard dead letters"),
                            ("resend", "send held messages again"),
                            ("mark_sent", "mark held messages as sent"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                ("criteria", models.JSONField(verbose_name="which")),
                ("before", models.DateTimeField(verbose_name="from before")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("done", "done"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                        ],
                        default="waiting",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("author", models.CharField(max_length=150, verbose_name="author")),
                ("total", models.PositiveIntegerField(verbose_name="in all")),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("skipped", models.PositiveIntegerField(default=0, verbose_name="passed over")),
                ("cursor", models.UUIDField(null=True, verbose_name="last looked at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("failures", models.PositiveSmallIntegerField(default=0, verbose_name="failures in a row")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started at")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
                ("ended_by", models.CharField(blank=True, max_length=150, verbose_name="ended by")),
            ],
            options={
                "verbose_name": "job of the desk",
                "verbose_name_plural": "jobs of the desk",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        fields=["id"],
                        name="portal_job_open",
                        condition=models.Q(state__in=("waiting", "running")),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HeldDelivery",
            fields=[],
            options={
                "verbose_name": "held message",
                "verbose_name_plural": "held messages",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("notify.delivery",),
        ),
    ]
