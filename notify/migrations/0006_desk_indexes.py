from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from notify.indexing import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    """What the desk looks things up by. Two of the three hold only what waits for a person."""

    atomic = False
    dependencies = [("notify", "0005_address_hash")]

    operations = [
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(fields=["id"], name="notify_delivery_held", condition=models.Q(status="held")),
        ),
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=BrinIndex(
                fields=["address_hash"],
                name="notify_delivery_address",
                opclasses=("int8_bloom_ops",),
                pages_per_range=32,
            ),
        ),
        AddIndexConcurrently(
            model_name="deadletter",
            index=models.Index(
                fields=["reason", "provider", "channel", "application"],
                name="notify_dead_letter_groups",
                condition=models.Q(state="open"),
            ),
        ),
    ]
