"""Django's settings for the bare view: the product's database, and nothing that a bare view does not need."""

from __future__ import annotations

from config.settings import (  # noqa: F401
    ALLOWED_HOSTS,
    DATA_UPLOAD_MAX_MEMORY_SIZE,
    DATABASES,
    DEFAULT_AUTO_FIELD,
    SECRET_KEY,
    USE_TZ,
)

DEBUG = False
INSTALLED_APPS = ["rest_framework", "bench.baselines.bare"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "bench.baselines.bare.view"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
