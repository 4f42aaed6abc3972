"""What granian serves of the bare view."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.baselines.bare_settings"
application = get_wsgi_application()
