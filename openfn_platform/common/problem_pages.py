"""Django's own error pages, as problem documents where programs ask; people get Django's pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views import defaults

from openfn_platform.common.drf import problem

FOR_PROGRAMS = ("/api/", "/inbox/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _program(request):
        return defaults.bad_request(request, exception)
    return problem(
        status=400, code="bad_request", detail="The request cannot be read; look at its address and headers."
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _program(request):
        return defaults.page_not_found(request, exception)
    hint = " Addresses have no slash at the end." if request.path.endswith("/") else ""
    return problem(status=404, code="not_found", detail=f"There is nothing at this address.{hint}")


def server_error(request: HttpRequest) -> HttpResponseBase:
    if not _program(request):
        return defaults.server_error(request)
    return problem(
        status=500,
        code="our_mistake",
        detail="The platform made a mistake, which was written to its log. Try again, then tell those who run it.",
    )


def _program(request: HttpRequest) -> bool:
    return request.path.startswith(FOR_PROGRAMS)
