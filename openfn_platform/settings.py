"""All settings, from the environment (`env.py`). README lists the ones that an installation sets.

`PLATFORM_ENV=development` (the default of `manage.py up` and `manage.py test`) makes throw-away secrets where
none are given; anywhere else a missing or default secret, DEBUG, or `ALLOWED_HOSTS=*` refuses to start.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from openfn_platform import env
from openfn_platform.workspace.unfold_settings import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
PLATFORM_ENV = env.choice("PLATFORM_ENV", ("development", "production"), "development")
DEVELOPMENT = PLATFORM_ENV == "development"

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY", "development-only-not-secret" if DEVELOPMENT else "")
# "id:base64 of 32 bytes", newest first; the first encrypts, all decrypt.
CREDENTIAL_KEYS = env.words(
    "CREDENTIAL_KEYS", ("dev:ZGV2ZWxvcG1lbnQtb25seS1ub3Qtc2VjcmV0LWtleSE=",) if DEVELOPMENT else ()
)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]") if DEVELOPMENT else ())
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")

if not DEVELOPMENT:
    if DEBUG:
        raise env.BadSetting("DEBUG must be off outside development: it shows settings to visitors")
    if len(SECRET_KEY) < 32:
        raise env.BadSetting("SECRET_KEY must be set to at least 32 random characters")
    if not CREDENTIAL_KEYS:
        raise env.BadSetting(
            "CREDENTIAL_KEYS must be set: `PLATFORM_ENV=development python3 manage.py credential_key` makes one"
        )
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise env.BadSetting("ALLOWED_HOSTS must name the hosts of this installation, not *")

INSTALLED_APPS = [
    # unfold first: it replaces templates of the admin
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "openfn_platform.workspace",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "openfn_platform.projects",
    "jobs",
    "triggers",
    "runs",
    "openfn_platform.demo",
    "openfn_platform.local",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # lists are long; it pads its answers against BREACH
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "openfn_platform.workspace.middleware.PageMethodsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "openfn_platform.workspace.middleware.TimeZoneMiddleware",
    "openfn_platform.workspace.accounts.middleware.SignedInMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "openfn_platform.urls"
WSGI_APPLICATION = "openfn_platform.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- data -----------------------------------------------------------------------------------------

DATABASE_URL = env.text("DATABASE_URL", "postgresql://platform@127.0.0.1/platform" if DEVELOPMENT else "")
if not DATABASE_URL:
    raise env.BadSetting("DATABASE_URL must be set, for example postgresql://user:password@host/name")
_database = env.postgresql(DATABASE_URL)
_database["CONN_MAX_AGE"] = 0  # the pool keeps them
_database["OPTIONS"] = {
    **_database["OPTIONS"],  # type: ignore[dict-item]  # a dict by construction
    "pool": {
        "min_size": 1,
        "max_size": env.integer("DATABASE_POOL", 20, least=2, most=200),
        "timeout": 5,
        "max_lifetime": 1800,
    },
    # Nobody may wait on the database without end; a lost server is found by keep-alives.
    "options": "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000",
    "connect_timeout": 3,
}
_database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("MAX_BODY_BYTES", 10_000_000, least=1_000, most=100_000_000)

# --- Celery: permits only; what is true stands in PostgreSQL --------------------------------------

REDIS_URL = env.text("REDIS_URL", "")
CELERY_BROKER_URL = REDIS_URL or "redis://127.0.0.1:1/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_ACKS_LATE = False  # a permit that is lost is noticed by the sweep
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Off would be the purer choice, but then a busy worker sleeps up to a second instead of asking for the next permit
# (measured: half the runs per second). With it a worker may hold as many permits as it has threads; the sweep
# makes up for those that die with it.
CELERY_WORKER_DISABLE_PREFETCH = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,  # without it a hung Redis blocks a publisher for ever
    "socket_connect_timeout": 1,
    "retry_on_timeout": False,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- engine ---------------------------------------------------------------------------------------

RUN_LEASE_SECONDS = env.integer("RUN_LEASE_SECONDS", 60, least=4, most=3600)
RUN_SWEEP_SECONDS = env.integer("RUN_SWEEP_SECONDS", 10, least=1, most=300)
RUN_GRACE_SECONDS = env.integer("RUN_GRACE_SECONDS", 20, least=0, most=3600)
AUDIT_DAYS = env.integer("AUDIT_DAYS", 1_095, least=30)  # three years
IDEMPOTENCY_DAYS = env.integer(
    "IDEMPOTENCY_DAYS", 730, least=30
)  # at least; a project's history, if that is longer
WORKER_CONCURRENCY = env.integer("WORKER_CONCURRENCY", 24, least=1, most=500)
# Senders that may wait at once, per web process, for what came of their message: at most half of its threads.
INBOX_WAITING_MOST = env.integer("INBOX_WAITING_MOST", 8, least=0, most=500)
REQUIRE_SANDBOX = env.flag("REQUIRE_SANDBOX")
JOB_UID = env.integer("JOB_UID", 64_999, least=1, most=2**31)
JOB_MAX_SECONDS = env.integer("JOB_MAX_SECONDS", 3600, least=1)
JOB_MAX_MEMORY_MB = env.integer("JOB_MAX_MEMORY_MB", 2048, least=64)
JOB_MAX_STATE_BYTES = env.integer("JOB_MAX_STATE_BYTES", 100_000_000, least=1_000)
JOB_ALLOW_LOOPBACK = env.flag("JOB_ALLOW_LOOPBACK", DEVELOPMENT)

# --- people ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "projects.User"
AUTHENTICATION_BACKENDS = [
    "openfn_platform.projects.backends.ThrottledBackend",
    "openfn_platform.projects.backends.EmailBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
PASSWORD_RESET_TIMEOUT = 3600

# Who tries passwords is kept waiting: the address and the name together, so that nobody can lock out others.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")  # they may say in X-Forwarded-For for whom they ask
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_FAILURE_LIMIT = env.integer("LOGIN_TRIES", 5, least=2, most=100)
AXES_COOLOFF_TIME = timedelta(minutes=env.integer("LOGIN_WAIT_MINUTES", 15, least=1, most=1440))
# Of everybody together from one network, in the same time: one password must not be tried on all names.
LOGIN_TRIES_PER_NETWORK = env.integer("LOGIN_TRIES_PER_NETWORK", 30, least=5, most=100_000)
AXES_LOCKOUT_PARAMETERS = "openfn_platform.projects.throttling.lockout_parameters"
AXES_CLIENT_IP_CALLABLE = "openfn_platform.projects.throttling.client_address"
AXES_USERNAME_FORM_FIELD = "username"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = (
    False  # the page says how long; trying again shall not prolong it
)
AXES_DISABLE_ACCESS_LOG = True  # the audit has the log-ins
AXES_ENABLE_ADMIN = False  # a page of our own
AXES_VERBOSE = False

# Second factors. Of allauth only what counts codes and keeps secrets is used; its pages are not mounted.
MFA_ADAPTER = "openfn_platform.projects.second_factors.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "OpenFn platform"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODE_DIGITS = 10
SUPERUSERS_NEED_SECOND_FACTOR = env.flag("SUPERUSERS_NEED_SECOND_FACTOR")
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"

# Log-ins at an identity provider of the organisation's own; off unless set.
OIDC_NAME = env.text("OIDC_NAME", "your organisation")
OIDC_ISSUER = env.address("OIDC_ISSUER")
OIDC_ORIGIN = "{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER)) if OIDC_ISSUER else ""
_oidc_client = {"client_id": env.text("OIDC_CLIENT_ID"), "secret": env.text("OIDC_CLIENT_SECRET")}
if OIDC_ISSUER and not all(_oidc_client.values()):
    raise env.BadSetting("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET")
SOCIALACCOUNT_ADAPTER = "openfn_platform.workspace.accounts.oidc.Adapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": OIDC_NAME,
                "settings": {"server_url": OIDC_ISSUER},
                **_oidc_client,
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "static-built" / "collected")))
STATICFILES_DIRS = [("built", BASE_DIR / "static-built" / "bundle")]
WHITENOISE_USE_FINDERS = DEVELOPMENT
WHITENOISE_AUTOREFRESH = False
SILENCED_SYSTEM_CHECKS = ["staticfiles.W004"]  # the editor bundle is optional: a plain textarea serves

_https = urlsplit(PUBLIC_URL).scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_ENGINE = "openfn_platform.projects.session_store"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
KNOWN_BROWSER_COOKIE = "known-browser"
if _https:  # a browser then takes them from this very host only, and never over http
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    KNOWN_BROWSER_COOKIE = "__Host-known-browser"
SESSION_COOKIE_AGE = 8 * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = _https and env.flag("SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_TLS_PROXY") else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
X_FRAME_OPTIONS = "DENY"
# unfold draws its menus with Alpine, which makes functions from attributes (`unsafe-eval`), and sets `style`
# attributes; no script may stand in a page, and nothing comes from or goes to anywhere else.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "script-src-attr": [NONE],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-src": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, *([OIDC_ORIGIN] if OIDC_ORIGIN else [])],
    }
}

# --- mail: stored first, sent by the sweep --------------------------------------------------------

MAIL_DIR = env.text("MAIL_DIR", "")  # a folder instead of a server: the laptop's default
EMAIL_HOST = env.text("SMTP_HOST", "")
EMAIL_PORT = env.integer("SMTP_PORT", 587, least=1, most=65_535)
EMAIL_HOST_USER = env.text("SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.text("SMTP_PASSWORD", "")
EMAIL_USE_SSL = env.flag("SMTP_TLS", False)
EMAIL_USE_TLS = env.flag("SMTP_STARTTLS", not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "OpenFn platform <platform@localhost>")
EMAIL_FILE_PATH = MAIL_DIR or None
EMAIL_BACKEND = (
    "django.core.mail.backends.filebased.EmailBackend"
    if MAIL_DIR
    else "django.core.mail.backends.smtp.EmailBackend"
)

# --- API ------------------------------------------------------------------------------------------

# Logs that are followed at once in each web process; each takes one of its threads for a minute.
LOG_STREAMS = env.integer("LOG_STREAMS", 6, least=0, most=500)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["openfn_platform.projects.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["triggers.api.parsing.DocumentParser"],
    "DEFAULT_SCHEMA_CLASS": "openfn_platform.projects.api.schema.DescribedSchema",
    "EXCEPTION_HANDLER": "openfn_platform.common.drf.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OpenFn platform API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Words that stand in several bodies, under a name that does not depend on which.
    "ENUM_NAME_OVERRIDES": {"TableKindEnum": ["lookup", "store"]},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "class": "openfn_platform.common.logs.PlainFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("LOG_LEVEL", ("debug", "info", "warning", "error"), "info").upper(),
    },
    "loggers": {
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}
