"""Puts the rooms together: settings, URLs, Celery, and the stack that needs no installing.

The Celery application is loaded with the package, so that every process rings doorbells through the same one.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
