import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("admin_portal", "0006_run_calls_and_reviews"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Drill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(max_length=64, unique=True, verbose_name="name")),
                ("title", models.CharField(max_length=120, verbose_name="title")),
                ("owner", models.CharField(max_length=150, verbose_name="owner")),
                ("terms", models.JSONField(verbose_name="terms")),
                ("every_days", models.PositiveSmallIntegerField(null=True, verbose_name="every so many days")),
                ("at", models.TimeField(null=True, verbose_name="at")),
                ("next_at", models.DateTimeField(null=True, verbose_name="next at")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("changed_at", models.DateTimeField(verbose_name="changed at")),
                ("retired_at", models.DateTimeField(null=True, verbose_name="retired at")),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drills",
                        to="admin_portal.plan",
                        verbose_name="plan",
                    ),
                ),
            ],
            options={
                "verbose_name": "drill",
                "verbose_name_plural": "drills",
                "ordering": ("name",),
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="DrillRun",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("form_token", models.UUIDField(editable=False, unique=True, verbose_name="form")),
                ("terms", models.JSONField(verbose_name="terms")),
                (
                    "channels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), default=list, size=None, verbose_name="channels"
                    ),
                ),
                ("started_by", models.CharField(max_length=150, verbose_name="started by")),
                ("is_scheduled", models.BooleanField(default=False, verbose_name="by its schedule")),
                (
                    "phase",
                    models.CharField(
                        choices=[
                            ("waiting", "about to begin"),
                            ("opened", "the stage is open"),
                            ("loaded", "messages flow, nothing is wrong yet"),
                            ("faulty", "something goes wrong"),
                            ("recovering", "the fault is over"),
                            ("measured", "measured"),
                            ("reported", "over, with its report"),
                        ],
                        default="waiting",
                        max_length=12,
                        verbose_name="phase",
                    ),
                ),
                ("is_live", models.BooleanField(default=True, verbose_name="under way")),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("passed", "passed"),
                            ("failed", "failed"),
                            ("aborted", "aborted and restored"),
                            ("interrupted", "interrupted and restored"),
                        ],
                        default="",
                        max_length=12,
                        verbose_name="outcome",
                    ),
                ),
                ("asked_at", models.DateTimeField(verbose_name="asked at")),
                ("opened_at", models.DateTimeField(null=True, verbose_name="opened at")),
                ("loaded_at", models.DateTimeField(null=True, verbose_name="under load since")),
                ("faulty_at", models.DateTimeField(null=True, verbose_name="faulty since")),
                ("recovering_at", models.DateTimeField(null=True, verbose_name="recovering since")),
                ("measured_at", models.DateTimeField(null=True, verbose_name="measured at")),
                ("reported_at", models.DateTimeField(null=True, verbose_name="reported at")),
                ("faulty_from", models.DateTimeField(null=True, verbose_name="faulty from")),
                ("faulty_until", models.DateTimeField(null=True, verbose_name="faulty until")),
                ("load_until", models.DateTimeField(null=True, verbose_name="load until")),
                ("closes_at", models.DateTimeField(null=True, verbose_name="closes at")),
                ("driven_until", models.DateTimeField(null=True, verbose_name="driven until")),
                (
                    "longest_gap_s",
                    models.FloatField(default=0.0, verbose_name="longest time that nobody drove it, seconds"),
                ),
                ("refused", models.PositiveIntegerField(default=0, verbose_name="messages that were not accepted")),
                ("ended_by", models.CharField(blank=True, default="", max_length=150, verbose_name="ended by")),
                ("end_reason", models.TextField(blank=True, default="", verbose_name="reason of its end")),
                ("figures", models.JSONField(null=True, verbose_name="figures")),
                ("findings", models.JSONField(blank=True, default=list, verbose_name="findings")),
                ("follow_ups", models.TextField(blank=True, default="", verbose_name="follow-ups")),
                (
                    "drill",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="admin_portal.drill",
                        verbose_name="drill",
                    ),
                ),
                (
                    "plan_run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="admin_portal.planrun",
                        verbose_name="run of the plan",
                    ),
                ),
            ],
            options={
                "verbose_name": "run of a drill",
                "verbose_name_plural": "runs of drills",
                "ordering": ("-asked_at",),
                "default_permissions": ("view",),
            },
        ),
        migrations.AddConstraint(
            model_name="drill",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("at", None), ("every_days", None), ("next_at", None)),
                    models.Q(("at__isnull", False), ("every_days__range", (1, 3650))),
                    _connector="OR",
                ),
                name="portal_drill_schedule",
            ),
        ),
        migrations.AddIndex(
            model_name="drillrun",
            index=models.Index(fields=["drill", "-asked_at"], name="portal_drill_runs"),
        ),
        migrations.AddConstraint(
            model_name="drillrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_live", True)), fields=("is_live",), name="portal_drill_alone"
            ),
        ),
        migrations.AddConstraint(
            model_name="drillrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_live", True), models.Q(("phase", "reported"), _negated=True)),
                    models.Q(("is_live", False), ("phase", "reported"), models.Q(("outcome", ""), _negated=True)),
                    _connector="OR",
                ),
                name="portal_drill_over",
            ),
        ),
    ]
