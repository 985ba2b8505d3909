"""A person at the admin: a client that is logged in, and the addresses of pages."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from openfn_platform.projects.models import User


def at(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(name: str, *arguments: Any, **query: str) -> str:
    """`page("jobs_job_change", job.pk)`."""
    return reverse(f"admin:{name}", args=arguments, query=query)


def text_of(response: Any) -> str:
    return bytes(response.content).decode()


def told(response: Any) -> str:
    """What the messages on the next page say."""
    return " ".join(str(message) for message in response.context["messages"])
