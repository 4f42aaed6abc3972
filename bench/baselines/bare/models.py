"""One row a message."""

from __future__ import annotations

from typing import Final

from django.db import models

from notify.ids import new_id

#: Made by the bench itself.
TABLE: Final = """
CREATE TABLE IF NOT EXISTS bench_message (
    id uuid PRIMARY KEY, phone varchar(32) NOT NULL, channels jsonb NOT NULL, template varchar(128) NOT NULL,
    locale varchar(35) NOT NULL, params jsonb NOT NULL, priority varchar(8) NOT NULL, ttl_s integer NOT NULL,
    created_at timestamptz NOT NULL
)
"""


class Message(models.Model):
    """What was accepted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    phone = models.CharField(max_length=32)
    channels = models.JSONField()
    template = models.CharField(max_length=128)
    locale = models.CharField(max_length=35)
    params = models.JSONField()
    priority = models.CharField(max_length=8)
    ttl_s = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bare"
        db_table = "bench_message"
        managed = False

    def __str__(self) -> str:
        return str(self.id)
