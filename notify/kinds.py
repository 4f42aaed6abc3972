"""Dead letters of test keys, and those of live ones."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from notify.models import DeadLetter, Delivery


def with_kind(rows: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """``rows`` with ``is_test``: whether a test key sent what is buried. Its delivery knows, and is read for each row
    by itself: a join might read all deliveries."""
    delivery = Delivery.objects.filter(id=OuterRef("delivery_id"))
    return rows.annotate(is_test=Subquery(delivery.values("is_test")[:1]))


def of_kind(rows: QuerySet[DeadLetter], *, is_test: bool) -> QuerySet[DeadLetter]:
    """Those of ``rows`` that test keys sent, or those that they did not; ``with_kind``."""
    kind = {"is_test": is_test}  # an annotation; the types know columns only
    return with_kind(rows).filter(**kind)
