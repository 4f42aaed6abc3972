"""The product's own worker, except that nobody counts what providers do and nobody is judged by it: a Celery
application to be run in place of ``config.celery``."""

from __future__ import annotations

from typing import Final

import django

from config.celery import app

django.setup()

from channels import breaker, quality  # noqa: E402

__all__ = ["app"]

#: What a drain tells the engine, and where it asks it.
_TOLD: Final = ((breaker, "judge"), (quality, "hand_over"), (quality, "came_back"))


def _nothing(**_what: object) -> None:
    return None


for _module, _name in _TOLD:
    getattr(_module, _name)  # raises where the product has changed, and this would change nothing any more
    setattr(_module, _name, _nothing)
