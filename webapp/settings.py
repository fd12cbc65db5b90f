"""The one settings file. Everything that differs between machines comes from the environment; see README.md's table."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from webapp import environment

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.folder("FRESHET_DATA_DIR", BASE_DIR / ".freshet")

DATABASE_URL = environment.text("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = environment.text("REDIS_URL", "redis://127.0.0.1:6379/0")
LOG_URL = environment.log_url(DATABASE_URL)


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", parts.hostname or "")
    return {
        "ENGINE": "webapp.core.kept_connections",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or options.pop("port", "") or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def _secret_key() -> str:
    """The signing key: from the environment, or made once and kept in the data folder, readable by its owner only."""
    from_environment = environment.text("FRESHET_SECRET_KEY", "")
    if from_environment:
        return from_environment
    path = DATA_DIR / "secret_key"
    try:
        return path.read_text()
    except FileNotFoundError:
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        key = secrets.token_urlsafe(48)
        try:
            with path.open("x") as file:
                path.chmod(0o600)
                file.write(key)
        except FileExistsError:
            return path.read_text()
        return key


SECRET_KEY = _secret_key()
DEBUG = environment.flag("FRESHET_DEBUG", False)
ALLOWED_HOSTS = environment.names("FRESHET_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = environment.names("FRESHET_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "webapp.core",
    "webapp.accounts",
    "webapp.audit",
    "webapp.alerts",
    "webapp.reference",
    "webapp.catalog",
    "webapp.registry",
    "webapp.training",
    "webapp.serving",
    "webapp.tracing",
    "webapp.experiments",
    "webapp.batches",
    "webapp.erasure",
    "webapp.insights",
    "webapp.exports",
    "workers",
]

MIDDLEWARE = [
    "webapp.core.kept_connections.base.GiveBack",
    "django.middleware.security.SecurityMiddleware",
    "webapp.core.content_policy.content_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "webapp.audit.acting.Acting",
    "webapp.core.one_thread.OneThread",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.accounts.console.roles",
            ],
        },
    }
]

DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

AUTH_USER_MODEL = "accounts.Account"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "webapp" / "static"]
WHITENOISE_USE_FINDERS = True

MAX_BODY_BYTES = environment.integer("FRESHET_MAX_BODY_BYTES", 10 * 2**20)
FORM_OVERHEAD_BYTES = 64 * 2**10  # what a form adds around a file of the largest size
# POST /events, back-pressure: bodies and requests under work at once in each web process, and events that the joiner may be behind
INGEST_MAX_BYTES = environment.integer("FRESHET_INGEST_MAX_BYTES", 64 * 2**20)
INGEST_MAX_REQUESTS = environment.integer("FRESHET_INGEST_MAX_REQUESTS", 32)
INGEST_MAX_LAG = environment.integer("FRESHET_INGEST_MAX_LAG", 5_000_000)
# a joiner's impressions: those of memory above which they go to the disk, and shown items at most in all
JOINER_MEMORY_BYTES = environment.integer("FRESHET_JOINER_MEMORY_BYTES", 256 * 2**20)
JOINER_MAX_WAITING = environment.integer("FRESHET_JOINER_MAX_WAITING", 5_000_000)
# 0: never
CANARY_EVERY_S = environment.integer("FRESHET_CANARY_EVERY_S", 5)
MAX_EVENTS_PER_REQUEST = environment.integer("FRESHET_MAX_EVENTS_PER_REQUEST", 5000)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# the form of a model with 500 slots and 500 dense inputs, each a row of controls
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
# How many users of a project a replica remembers, those who acted last: about a kilobyte for one with fifty items.
REPLICA_MAX_USERS = environment.integer("FRESHET_REPLICA_MAX_USERS", 1_000_000)
REPLICA_TIMEOUT_S = environment.integer("FRESHET_REPLICA_TIMEOUT_MS", 1000) / 1000
# a second replica is asked after so long without an answer; 0: after the time within which 95 % of the newest answers came
HEDGE_AFTER_MS = environment.integer("FRESHET_HEDGE_AFTER_MS", 0)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["webapp.accounts.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["webapp.accounts.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["webapp.accounts.throttling.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "key": environment.text("FRESHET_KEY_RATE", "2000/second"),
        "unknown_key": environment.text("FRESHET_UNKNOWN_KEY_RATE", "60/minute"),
    },
    "EXCEPTION_HANDLER": "webapp.core.errors.api_exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Freshet API",
    "DESCRIPTION": "Stream events, keep the catalogue, ask for recommendations, and watch parameters travel.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # the bodies of calls for items are described by JSON Schema, which 3.0 is not
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "RunState": "webapp.training.models.Run.State",
        "TrialState": "webapp.training.search_models.Trial.State",
        "StopAction": ["stop"],
        "SearchAction": ["stop", "publish"],
    },
}

# where people reach the console: links in alerts begin with it
PUBLIC_URL = environment.text("FRESHET_BASE_URL", "").rstrip("/")
# a webhook to an address inside could be made to speak to what only this machine may speak to
WEBHOOKS_TO_PRIVATE = environment.flag("FRESHET_WEBHOOKS_TO_PRIVATE", False)
EMAIL_HOST = environment.text("FRESHET_SMTP_HOST", "")
MAIL_IS_CONFIGURED = bool(EMAIL_HOST)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if MAIL_IS_CONFIGURED else 'console'}.EmailBackend"
EMAIL_PORT = environment.integer("FRESHET_SMTP_PORT", 587)
EMAIL_HOST_USER = environment.text("FRESHET_SMTP_USER", "")
EMAIL_HOST_PASSWORD = environment.text("FRESHET_SMTP_PASSWORD", "")
EMAIL_USE_SSL = EMAIL_PORT == 465
EMAIL_USE_TLS = environment.flag("FRESHET_SMTP_TLS", not EMAIL_USE_SSL) and not EMAIL_USE_SSL
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("FRESHET_MAIL_FROM", "freshet@localhost")

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# behind a proxy with TLS, which says so in X-Forwarded-Proto (FORWARDED_ALLOW_IPS names proxies on other machines)
HTTPS = environment.flag("FRESHET_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
# for programs: a call that is sent elsewhere has shown its key already, and this machine's own come without TLS
SECURE_REDIRECT_EXEMPT = ["^api/", "^metrics$", "^gorse/", "^personalize/"]
SECURE_HSTS_SECONDS = environment.integer("FRESHET_HSTS_S", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": environment.text("FRESHET_LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}},
}
