"""Django settings, all of them from the environment and the site folder.

VOGATE_HOME       where state lives (default ./var)
SITE              name or folder of the site (default demo)
DATABASE_URL      postgresql://user:password@host/name; without it SQLite in VOGATE_HOME
TAP_DATABASE_URL  the same for the archive's tables, or `default` for the database above; without it, and without
                  [tap] database in site.toml, DuckDB files in VOGATE_HOME
TAP_QUERY_DATABASE_URL  the same database as a user who may read alone (docs/operating.md)
VOGATE_BASE_URL   public URL of the service, if it is not what requests say (behind a proxy)
VOGATE_DEBUG      1 for Django's debug pages (never in production)
BEHIND_PROXY      number of our own proxies (usually 1) whose X-Forwarded-* headers are believed
EMAIL_URL         smtp://user:password@host:port, or smtp+tls://; without it mail is printed on the console
VOGATE_LOG        DEBUG, INFO, WARNING or ERROR; VOGATE_LOG_FORMAT=json for JSON lines
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from gateway.site import SiteError, load_site, resolve_site_folder

BASE_DIR = Path(__file__).resolve().parent.parent


def _home() -> Path:
    """The folder of the state: nobody else's business where we make it."""
    path = Path(os.environ.get("VOGATE_HOME") or BASE_DIR / "var").resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SiteError(f"VOGATE_HOME: {path} cannot be made: {error.strerror}.") from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise SiteError(f"VOGATE_HOME: this user may not write to {path}.")
    return path


def _address(name: str) -> SplitResult | None:
    """The URL in an environment variable, None where there is none; what is wrong is said without the password."""
    url = os.environ.get(name, "")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SiteError(f"{name} is no URL: {error}.") from None
    return parts if url else None


VOGATE_HOME = _home()
SITE = load_site(resolve_site_folder(os.environ.get("SITE", "demo"), BASE_DIR))
VOGATE_BASE_URL = os.environ.get("VOGATE_BASE_URL", "").rstrip("/")
VOGATE_ARCHIVE = VOGATE_HOME / "archive"
VOGATE_JOBS = VOGATE_HOME / "jobs"
VOGATE_DATA = VOGATE_HOME / "data"


def _secret_key() -> str:
    """The key kept in the home (0600), made at the first start."""
    path = VOGATE_HOME / "secret-key"
    if not path.exists():
        draft = VOGATE_HOME / f".secret-key-{secrets.token_hex(8)}"
        try:
            # Whole or not at all: other processes of the gateway may be starting, too.
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(secrets.token_urlsafe(48))
                out.flush()
                os.fsync(out.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(draft, path)
        except OSError as error:
            raise SiteError(f"{path} cannot be written: {error.strerror}.") from None
        finally:
            draft.unlink(missing_ok=True)
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if not key:
        raise SiteError(f"{path} is empty: restore it, or remove it, which signs everybody out.")
    return key


SECRET_KEY = os.environ.get("VOGATE_SECRET_KEY") or _secret_key()
DEBUG = os.environ.get("VOGATE_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")
CSRF_TRUSTED_ORIGINS = [VOGATE_BASE_URL] if VOGATE_BASE_URL else []
# How many proxies of ours stand before us; only then do X-Forwarded-* headers count.
_proxies = os.environ.get("BEHIND_PROXY", "")
VOGATE_PROXIES = int(_proxies) if _proxies.isdecimal() else int(bool(_proxies))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if VOGATE_PROXIES else None
USE_X_FORWARDED_HOST = bool(VOGATE_PROXIES)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "provenance",
    "uws",
    "tap",
    "obscore",
    "gateway.accounts",
    "gateway.portal",
]

MIDDLEWARE = [
    "gateway.vo.middleware.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gateway.vo.middleware.ErrorMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "gateway.accounts.middleware.CallerMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
APPEND_SLASH = True

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
                "gateway.portal.context.site",
            ],
        },
    }
]


def _database() -> dict[str, object]:
    parts = _address("DATABASE_URL")
    if parts is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VOGATE_HOME / "gateway.sqlite3",
            "CONN_MAX_AGE": 60,  # to open it anew takes longer than most of what is asked
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    if parts.scheme not in ("postgresql", "postgres"):
        raise SiteError(f"DATABASE_URL begins with {parts.scheme}:, and not with postgresql://.")
    options = dict(parse_qsl(parts.query))  # host=/run/postgresql, sslmode=require, ...
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or options.pop("host", ""),
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 60,
        "OPTIONS": options,
        # A server that was restarted costs no request: a connection is tried before it is used again.
        "CONN_HEALTH_CHECKS": True,
    }


def _tap_database() -> str:
    """The address of the archive's PostgreSQL, '' for DuckDB."""
    url = os.environ.get("TAP_DATABASE_URL", "") or str(SITE.raw.get("tap", {}).get("database", ""))
    if url == "default":
        url = os.environ.get("DATABASE_URL", "")
        if not url:
            raise SiteError("TAP_DATABASE_URL=default, but there is no DATABASE_URL.")
    if url in ("", "duckdb"):
        return ""
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise SiteError("TAP_DATABASE_URL is neither postgresql://..., `default` nor `duckdb`.")
    return url


DATABASES = {"default": _database()}
VOGATE_TAP_DATABASE = _tap_database()
# Counters of failed sign-ins are shared by all processes and hosts, without another server.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "accounts_cache"},
    "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "local"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_REDIRECT_URL = "/jobs/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "gateway.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "gateway.accounts.forms.LoginForm"}
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

if _mail := _address("EMAIL_URL"):
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or 25
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
DEFAULT_FROM_EMAIL = SITE.contact or "vogate@localhost"

STATIC_URL = "/static/"
STATIC_ROOT = VOGATE_HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "gateway" / "portal" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

LANGUAGE_CODE = "en-gb"
USE_I18N = False
FORMAT_MODULE_PATH = "gateway.formats"
USE_TZ = True
TIME_ZONE = "UTC"
SESSION_COOKIE_AGE = 30 * 86400
SESSION_COOKIE_SAMESITE = "Lax"
# Where the public address is https, no browser sends who it is in clear.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = VOGATE_BASE_URL.startswith("https:")
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
# One request over many inputs may send them all (`[limits] batch`).
DATA_UPLOAD_MAX_NUMBER_FILES = 5000
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

# What lower rooms need from upper ones, as dotted paths (imports point down only).
VOGATE_INPUT_RESOLVERS = ["obscore.inputs.resolve", "uws.results.resolve_input"]
VOGATE_NAME_RESOLVER = "obscore.resolver.resolve"
VOGATE_RESULT_DECORATORS = ["obscore.datalink.describe_result"]
VOGATE_JOB_RUNNERS = {"tap": "tap.jobs.run"}
# Modules of tables that are queried where they are (tap.live).
VOGATE_LIVE_SCHEMAS = ["provenance.tap", "uws.tables"]
# How sleeping workers of other machines are woken (uws.nudges).
VOGATE_NUDGE = "gateway.celery.nudge"
VOGATE_NUDGES_PENDING = "gateway.celery.pending"
VOGATE_PROVENANCE_RIGHTS = "uws.access.may_see"
VOGATE_PROVENANCE_JOBS = "uws.access.jobs_of"
# What is called when something has been withdrawn (uws.withdrawing).
VOGATE_AFTER_WITHDRAWAL = ["obscore.publication.after_withdrawal"]
# How programs may identify themselves (securityMethod in capabilities), beside being anonymous.
VOGATE_SECURITY_METHODS = ["ivo://ivoa.net/sso#BasicAA"]
CSRF_FAILURE_VIEW = "gateway.portal.errors.old_form"
VOGATE_ERROR_PAGE = "gateway.portal.errors.page"
VOGATE_ERROR_RENDERERS = [
    ("/s", "gateway.accounts.links.error_response"),
    ("/account/vo-login", "gateway.vo.dali.text_error_response"),
    ("/provsap", "gateway.vo.dali.error_response"),
    ("/provenance/search", VOGATE_ERROR_PAGE),
    ("/provenance/entity", VOGATE_ERROR_PAGE),
    ("/provenance/activity", VOGATE_ERROR_PAGE),
    ("/provenance/agent", VOGATE_ERROR_PAGE),
    ("/provenance/graph", "gateway.vo.dali.json_error_response"),
    ("/provenance", "gateway.vo.dali.text_error_response"),
    ("/tap", "gateway.vo.dali.error_response"),
    ("/scs", "tap.cone_views.error_response"),
    ("/datalink", "gateway.vo.dali.datalink_error_response"),
    ("/uws", "gateway.vo.dali.text_error_response"),
    ("/data", "gateway.vo.dali.text_error_response"),
    ("/api", "gateway.vo.dali.json_error_response"),
    ("/", VOGATE_ERROR_PAGE),
]

VOGATE_LOG = os.environ.get("VOGATE_LOG", "").upper()
if VOGATE_LOG and VOGATE_LOG not in logging.getLevelNamesMapping():
    raise SiteError(f"VOGATE_LOG={VOGATE_LOG}: it is DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"job": {"()": "gateway.logs.JobFilter"}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "gateway.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "json" if os.environ.get("VOGATE_LOG_FORMAT", "") == "json" else "line",
            "filters": ["job"],
        }
    },
    "root": {"handlers": ["console"], "level": VOGATE_LOG or "WARNING"},
    "loggers": {
        "vogate": {"level": VOGATE_LOG or "INFO"},
        # The gateway's own error middleware logs what matters; a 404 is no warning.
        "django.request": {"level": "ERROR"},
    },
}
