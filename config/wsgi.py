"""What the web server serves."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config import tether

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
tether.hold_grandchild("web")  # the server's worker processes are not children of the supervisor

application = get_wsgi_application()
# The URLs with all their views now, and not in the first request: that one is somebody's.
get_resolver().url_patterns  # noqa: B018
