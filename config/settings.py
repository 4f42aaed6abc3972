"""Django's settings, from the environment (``config.env``) and, without one, from the stack under DATA_DIR."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.utils.translation import gettext_lazy as _

from config import env, stack
from config.looks import UNFOLD as UNFOLD

BASE_DIR = env.BASE_DIR
ENV = env.load()
DATA_DIR = ENV.data_dir
_ADDRESSES = stack.read_addresses(DATA_DIR)

DEBUG = ENV.debug
DEMO = ENV.demo
SECRET_KEY = ENV.secret_key or ENV.generated["secret_key"]
FIELD_ENCRYPTION_KEYS = ENV.field_encryption_keys or [ENV.generated["field_encryption_key"]]
ALLOWED_HOSTS = ENV.allowed_hosts or ["localhost", "127.0.0.1", "[::1]", "testserver"]
PROCESS_NAME = ENV.process_name

# --- the truth -------------------------------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """A Django database entry from a URL; multi-host URLs and libpq options pass through."""
    parts = urlsplit(url)
    credentials, _at, hosts = parts.netloc.rpartition("@")
    user, _colon, password = credentials.partition(":")
    names, ports = [], []
    for entry in hosts.split(","):
        host, _colon, port = entry.rpartition(":") if ":" in entry else (entry, "", "")
        names.append(unquote(host))
        ports.append(port)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host = options.pop("host", ",".join(names))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": host,
        "PORT": ",".join(ports) if any(ports) else "",
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "connect_timeout": 2,
            "application_name": f"goutong-{PROCESS_NAME}",
            # No JIT: compiling a claim would take a hundred times as long as running it.
            "options": "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000"
            " -c jit=off",
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            **options,
        },
    }


DATABASE_URL = ENV.database_url or _ADDRESSES.get("database_url", "")
DATABASES = {"default": database(DATABASE_URL or "postgresql://postgres@127.0.0.1:5432/goutong")}

# --- the doorbell, the counters --------------------------------------------------------------------------------------

REDIS_URL = ENV.redis_url or _ADDRESSES.get("redis_url", "") or "redis://127.0.0.1:6379/0"
BROKER_URL = ENV.broker_url or REDIS_URL
#: Counters and doorbells are worth a few milliseconds of a request, and no more: after a failure, a pause.
REDIS_TIMEOUT_S = 0.2
REDIS_PAUSE_S = 2.0
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT_S,
            "SOCKET_TIMEOUT": REDIS_TIMEOUT_S,
            "IGNORE_EXCEPTIONS": True,
        },
        "KEY_PREFIX": "goutong",
    }
}

# --- applications ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    # "Simple": the admin's pages are looked for where URLs are read, and workers do without them.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_otp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "notify",
    "monitoring",
    "admin_portal",
]

MIDDLEWARE = [
    "monitoring.middleware.RequestContextMiddleware",
    "monitoring.middleware.ProbeMiddleware",
    "notify.api.problems.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.PeopleSessionMiddleware",
    "config.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.middleware.PeopleCsrfViewMiddleware",
    "config.middleware.PeopleAuthenticationMiddleware",
    "config.middleware.PeopleActorMiddleware",
    "config.middleware.PeopleAxesMiddleware",
    "config.middleware.PeopleOtpMiddleware",
    "config.middleware.PeopleMessageMiddleware",
    "config.middleware.PeopleXFrameOptionsMiddleware",
    "config.middleware.PeopleContentPolicyMiddleware",
    "admin_portal.middleware.SessionEndMiddleware",
    "admin_portal.middleware.SecondFactorMiddleware",
    "admin_portal.middleware.NulMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "admin_portal" / "templates"],  # before django-unfold's, some of which it overrides
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware is there, for people alone (config/middleware.py)

# --- language, time, files -------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = ENV.time_zone
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- security --------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
#: Groups whose members may change nothing in the admin without a second factor.
REQUIRE_TWO_FACTOR_FOR = ENV.require_two_factor_for
SESSION_ENGINE = "admin_portal.access.sessions"
#: A session is over so long after it began, and so long after somebody was last there.
SESSION_COOKIE_AGE = ENV.session_hours * 3600
SESSION_IDLE_S = ENV.session_idle_minutes * 60
# A name is closed to the address that failures came from, and to no other: see admin_portal/access/throttling.py.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "admin_portal.access.throttling.address"
AXES_LOCKOUT_CALLABLE = "admin_portal.access.throttling.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # the audit has it
AXES_ENABLE_ADMIN = False  # admin_portal has a page of its own
AXES_VERBOSE = False
# What browsers may do on our pages. Alpine, which django-unfold is made with, evaluates the expressions in its
# attributes, and its templates have style attributes; scripts come from our own files alone.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ENV.production:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the API has limits of its own, by kind of request (NOTIFY)

# --- the API ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["notify.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["notify.api.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["notify.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["notify.api.renderers.JsonRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "notify.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "notify.api.renderers.Negotiation",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Goutong",
    "DESCRIPTION": "One call reaches a person by email, SMS, push, IM, webhook or inbox, and what was accepted is "
    "never lost.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "notify.api.describing.complete",
    ],
}

# --- what the product itself can be told -----------------------------------------------------------------------------

#: Limits of a request. Sizes in bytes.
NOTIFY: dict[str, Any] = {
    "MAX_BODY_BYTES": 2 * 1024 * 1024,
    "MAX_BATCH_BODY_BYTES": 32 * 1024 * 1024,
    "MAX_STREAM_BODY_BYTES": 512 * 1024 * 1024,
    "MAX_LINE_BYTES": 128 * 1024,
    "MAX_BATCH_RECIPIENTS": 10_000,
    "MAX_STREAM_RECIPIENTS": 100_000,
    "MAX_PARAMS_BYTES": 64 * 1024,
    "MAX_SCHEDULE": timedelta(days=90),
    "IDEMPOTENCY_TTL": timedelta(hours=24),
    # Whose X-Forwarded-For is believed: addresses or networks of our own proxies.
    "TRUSTED_PROXIES": ENV.trusted_proxies,
    # How long a message is worth sending when its sender does not say.
    "DEFAULT_TTL": {"critical": timedelta(hours=4), "normal": timedelta(hours=24), "bulk": timedelta(hours=72)},
    "RETENTION_DAYS": ENV.retention_days,
    "PARTITIONS_AHEAD_DAYS": 7,
}
#: How lanes move. Times in seconds.
LANES: dict[str, Any] = {
    "BATCH": 500,
    "LEASE_S": ENV.lease_s,
    "RESTART_GRACE_S": ENV.lease_s,
    "SHARES": {"vip": 4, "standard": 1},
    "DRAINS_PER_LANE": 2,
    # How many deliveries may be due in a lane before it is slowed, and before it refuses; LIMITS: of single lanes, or
    # of a priority's. Critical has none.
    "SOFT_LIMIT": {"normal": 1_000_000, "bulk": 500_000},
    "HARD_LIMIT": {"normal": 2_000_000, "bulk": 2_000_000},
    "LIMITS": ENV.lane_limits,
    "LIFEBOAT_AFTER_S": 2.0,
    # How long a receipt is waited for: until then what was sent is on its way. And how long after the message one that
    # comes later still counts, and how long one is kept whose message is not known yet.
    "RECEIPT_WAIT_S": 24 * 3600,
    "RECEIPT_WINDOW_S": 7 * 24 * 3600,
    "EARLY_RECEIPT_S": 120,
    "MAX_ATTEMPTS": {"critical": 10, "normal": 8, "bulk": 6},
    "RETRY_BASE_S": 2.0,
    "RETRY_CAP_S": 600.0,
}
CHANNELS: dict[str, Any] = {
    "ALLOW_PRIVATE_URLS": ENV.allow_private_urls,
    "CONFIG_MAX_AGE_S": 1.0,
    "DEGRADATIONS_KEPT_DAYS": ENV.degradation_retention_days,
    "SANDBOX_JOURNAL": DATA_DIR / "sandbox" if ENV.demo else None,
    # Where the sandbox's providers report to, those with "receipts: later".
    "SANDBOX_REPORTS_URL": f"{_ADDRESSES.get('web_url', '')}/api/v1/receipts" if ENV.demo else "",
}
# Calls to approvers: where people reach this portal, and a webhook that is called besides the people.
PAGER: dict[str, Any] = {"PUBLIC_URL": ENV.public_url, "WEBHOOK_URL": ENV.pager_webhook_url}
SANDBOX_URL = ENV.sandbox_url or _ADDRESSES.get("sandbox_url", "")
WORKER_THREADS = ENV.worker_threads
WEB_THREADS = ENV.web_threads

# --- watching --------------------------------------------------------------------------------------------------------

VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
SENTRY_DSN = ENV.sentry_dsn
SENTRY_ENVIRONMENT = ENV.sentry_environment
METRICS_DIR = DATA_DIR / "run" / "metrics"
METRICS_TOKEN = ENV.metrics_token
LOG_FORMAT = ENV.log_format
LOG_LEVEL = ENV.log_level
LOGGING_CONFIG = None  # monitoring.logs configures it
