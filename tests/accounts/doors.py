"""What people do at the doors of the platform: log in, type codes, follow links out of mails."""

from __future__ import annotations

import re
import time
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client
from django.urls import reverse

from openfn_platform.projects.models import User
from openfn_platform.projects.second_factors import factor_enable, factor_secret_new
from runs.models import Notification

PASSWORD = "tall-trees-by-the-lake-7"
LOGIN = "/admin/login/"
DASHBOARD = "/admin/"
LINK = re.compile(r"http://\S+")


def browser(
    address: str = "192.0.2.7", agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
) -> Client:
    return Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)


def log_in(client: Client, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post(LOGIN, {"username": email, "password": password}, **more)


def logged_in(person: User, **where: str) -> Client:
    client = browser(**where)
    answer = log_in(client, person.email)
    assert answer.status_code == 302, answer.content.decode()
    return client


def is_in(client: Client) -> bool:
    return client.get(reverse("account")).status_code == 200


def code_of(secret: str, steps: int = 0) -> str:
    """What the app shows now, or showed `steps` half minutes ago."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def with_factor(person: User) -> tuple[str, list[str]]:
    """The secret, whose present code is still unused, and the recovery codes."""
    secret = factor_secret_new()
    codes = factor_enable(person=person, secret=secret, code=code_of(secret, -1), session=None)
    return secret, codes


def letters_to(email: str) -> list[Notification]:
    return list(Notification.objects.filter(recipient=email).order_by("id"))


def link_to(email: str) -> str:
    """The path of the link in the newest mail."""
    found = LINK.search(letters_to(email)[-1].text)
    assert found
    return "/" + found.group().split("/", 3)[3]


def seen(answer: Any) -> str:
    return bytes(answer.content).decode()
