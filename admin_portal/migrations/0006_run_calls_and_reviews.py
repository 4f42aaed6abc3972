import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    # Both tables hold what people do by hand: a few rows. What is new is null or has a default in the database, and the
    # former constraint goes last: processes of the former version go on meanwhile.

    dependencies = [
        ("admin_portal", "0005_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="planrun",
            name="break_reason",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="why it could not wait"),
        ),
        migrations.AddField(
            model_name="planrun",
            name="broken_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="applied at once by",
            ),
        ),
        migrations.AddField(
            model_name="planrun",
            name="review",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "none needed"),
                    ("due", "to be reviewed"),
                    ("reviewed", "reviewed"),
                    ("rejected", "rejected"),
                ],
                db_default="",
                default="",
                max_length=8,
                verbose_name="review",
            ),
        ),
        migrations.AddField(
            model_name="planrun",
            name="review_due_at",
            field=models.DateTimeField(null=True, verbose_name="to be reviewed by"),
        ),
        migrations.AddField(
            model_name="planrun",
            name="review_reason",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="what the review says"),
        ),
        migrations.AddField(
            model_name="planrun",
            name="reviewed_at",
            field=models.DateTimeField(null=True, verbose_name="reviewed at"),
        ),
        migrations.AddField(
            model_name="planrun",
            name="reviewed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="reviewed by",
            ),
        ),
        migrations.AddField(
            model_name="summons",
            name="run",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="summonses",
                to="admin_portal.planrun",
                verbose_name="run",
            ),
        ),
        migrations.AlterField(
            model_name="summons",
            name="request",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="summonses",
                to="admin_portal.degradationrequest",
                verbose_name="request",
            ),
        ),
        migrations.AddIndex(
            model_name="planrun",
            index=models.Index(
                condition=models.Q(("review", "due")), fields=["review_due_at"], name="portal_run_review"
            ),
        ),
        migrations.AddConstraint(
            model_name="planrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("review", ""), ("broken_by__isnull", False), _connector="OR"),
                name="portal_run_broken",
            ),
        ),
        migrations.AddConstraint(
            model_name="summons",
            constraint=models.UniqueConstraint(
                condition=models.Q(("request__isnull", False)),
                fields=("request", "version", "occasion", "person"),
                name="portal_summons_request_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="summons",
            constraint=models.UniqueConstraint(
                condition=models.Q(("run__isnull", False)),
                fields=("run", "version", "occasion", "person"),
                name="portal_summons_run_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="summons",
            constraint=models.CheckConstraint(
                condition=models.Q(("request__isnull", True), ("run__isnull", True), _connector="XOR"),
                name="portal_summons_about_one",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="summons",
            name="portal_summons_once",
        ),
    ]
