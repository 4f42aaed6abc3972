"""What the web server serves."""

import os

from django.core.wsgi import get_wsgi_application

from config import tether

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
tether.hold_grandchild("web")  # the server's worker processes are not children of the supervisor

application = get_wsgi_application()
