"""The two frames of these pages: for visitors (as the log-in page) and inside the admin (as all others)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache as never_cache


def door(
    request: HttpRequest,
    *,
    title: str,
    template: str = "workspace/accounts/door.html",
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """A page for somebody who is not logged in."""
    context = {**admin.site.each_context(request), "title": title, **more}
    return TemplateResponse(request, template, context, status=status, headers={"Cache-Control": "no-store"})


def inside(request: HttpRequest, *, title: str, template: str, **more: Any) -> HttpResponse:
    """A page of the person's own account."""
    context = {**admin.site.each_context(request), "title": title, **more}
    return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})


def next_of(request: HttpRequest, default: str = "admin:index") -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    known = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if known else reverse(default)
