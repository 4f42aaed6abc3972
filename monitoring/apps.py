"""The room that sees: logs, metrics, health, errors."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = _("Monitoring")

    def ready(self) -> None:
        """Every process with Django in it comes by here: web, workers, beat, lifeboat, commands."""
        from monitoring import logs, processes, receivers, sentry

        logs.configure()
        sentry.configure()
        receivers.connect()
        processes.connect()
