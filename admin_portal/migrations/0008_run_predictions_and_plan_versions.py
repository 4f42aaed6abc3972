import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("admin_portal", "0007_drills"),
    ]

    operations = [
        migrations.AddField(
            model_name="planrun",
            name="predictions",
            field=models.JSONField(null=True, verbose_name="predicted effect"),
        ),
        migrations.AddField(
            model_name="drillrun",
            name="plan_version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="admin_portal.planversion",
                verbose_name="version",
            ),
        ),
    ]
