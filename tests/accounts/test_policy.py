"""The settings of a real installation: Django finds nothing to say against them, and browsers are told to be strict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openfn_platform import env
from openfn_platform.common.crypto import new_key
from tests.accounts.doors import browser

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PLATFORM_ENV": "production",
    "SECRET_KEY": "".join(chr(48 + (7 * number) % 75) for number in range(64)),
    "ALLOWED_HOSTS": "platform.example.org",
    "PUBLIC_URL": "https://platform.example.org",
    "DATABASE_URL": "postgresql://platform@127.0.0.1:9/platform",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "BEHIND_TLS_PROXY": "1",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "SMTP_HOST": "mail.example.org",
}
OIDC = {
    "OIDC_ISSUER": "https://id.example.org/realm",
    "OIDC_CLIENT_ID": "platform",
    "OIDC_CLIENT_SECRET": "not so secret",
}


def python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "STATIC_ROOT"}
    }
    environment = kept | PRODUCTION | {"CREDENTIAL_KEYS": new_key()} | more
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def manage(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"DJANGO_SETTINGS_MODULE": "openfn_platform.settings"}
    return python("-m", "django", *arguments, **environment, **more)


def test_django_finds_nothing_to_say_against_the_settings_of_a_real_installation():
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_it_would_find_something():
    """The control: the same without https."""
    done = manage("check", "--deploy", "--fail-level", "WARNING", PUBLIC_URL="http://platform.example.org")
    assert done.returncode != 0
    assert "security.W" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            {"OIDC_ISSUER": "http://id.example.org", **{k: v for k, v in OIDC.items() if k != "OIDC_ISSUER"}},
            "OIDC_ISSUER",
        ),
        ({"OIDC_ISSUER": OIDC["OIDC_ISSUER"]}, "OIDC_CLIENT_ID"),
        ({"TRUSTED_PROXIES": "the proxy"}, "TRUSTED_PROXIES"),
        ({"LOGIN_TRIES": "0"}, "LOGIN_TRIES"),
    ],
)
def test_nonsense_in_the_environment_is_refused_by_name(wrong: dict[str, str], named: str):
    done = manage("check", **wrong)
    assert done.returncode != 0
    assert named in done.stderr.splitlines()[-1]


def test_an_address_without_https_is_for_this_machine_alone(monkeypatch: Any):
    monkeypatch.setenv("SOMEWHERE", "http://127.0.0.1:8080/realm/")
    assert env.address("SOMEWHERE") == "http://127.0.0.1:8080/realm"
    monkeypatch.setenv("SOMEWHERE", "")
    assert env.address("SOMEWHERE") == ""
    for value in ("ftp://127.0.0.1", "id.example.org", "http://10.0.0.1"):
        monkeypatch.setenv("SOMEWHERE", value)
        with pytest.raises(env.BadSetting):
            env.address("SOMEWHERE")


def test_cookies_of_a_real_installation_are_for_this_host_over_https_alone():
    show = (
        "import django; django.setup(); from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY, "
        "s.SESSION_COOKIE_SAMESITE, s.SESSION_COOKIE_PATH, s.SESSION_COOKIE_DOMAIN)"
    )
    done = python("-c", show, DJANGO_SETTINGS_MODULE="openfn_platform.settings")
    assert done.stdout.split() == [
        "__Host-sessionid",
        "__Host-csrftoken",
        "True",
        "True",
        "Lax",
        "/",
        "None",
    ], done.stderr


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {part[0]: part[1:] for part in parts}


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/password_reset/", "/inbox/nothing", "/nothing"])
def test_every_answer_has_the_policy(db: None, path: str):
    found = directives(browser().get(path)["Content-Security-Policy"])
    assert found["script-src"] == [
        "'self'",
        "'unsafe-eval'",
    ]  # Alpine, which unfold's menus are made with, needs it
    assert found["frame-ancestors"] == ["'none'"]
    assert found["form-action"] == ["'self'"]
    assert found["object-src"] == found["base-uri"] == found["script-src-attr"] == ["'none'"]
    assert not {"report-uri", "report-to"} & set(found)
    assert not any(value.startswith("http") for values in found.values() for value in values)


def test_with_the_organisations_log_in_a_form_may_lead_there_and_nowhere_else():
    show = (
        "import django; django.setup(); from django.conf import settings as s; "
        "print(*s.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action'])"
    )
    done = python("-c", show, DJANGO_SETTINGS_MODULE="openfn_platform.settings", **OIDC)
    assert done.stdout.split() == ["'self'", "https://id.example.org"], done.stderr


def test_no_template_holds_a_script_or_an_event_handler():
    import re

    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+=\"|javascript:", re.IGNORECASE)
    files = list((ROOT / "templates").rglob("*.html"))
    assert len(files) > 50
    assert [str(path.relative_to(ROOT)) for path in files if inline.search(path.read_text())] == []
