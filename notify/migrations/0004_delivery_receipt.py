from django.db import migrations, models

from notify.indexing import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    """The index by which receipts find their deliveries. Holds only those that a receipt is due of."""

    atomic = False
    dependencies = [("notify", "0003_receipts")]

    operations = [
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                fields=["provider_message_id"],
                name="notify_delivery_receipt",
                condition=models.Q(receipt_until__isnull=False),
            ),
        ),
    ]
