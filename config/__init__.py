"""Puts the rooms together: settings, URLs, Celery, and the stack that needs no installing."""
