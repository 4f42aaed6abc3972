"""The product's settings and the failing application."""

from config.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.monitoring.sentry_case"]  # noqa: F405
ROOT_URLCONF = "tests.monitoring.sentry_case.urls"
