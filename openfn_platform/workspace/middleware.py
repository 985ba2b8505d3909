"""Around every page: times are in the person's own zone, and only the methods of pages are answered."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone


class TimeZoneMiddleware:
    """Activates the zone of the person who is logged in, for the length of the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = getattr(request.user, "time_zone", None) if request.user.is_authenticated else None
        with timezone.override(ZoneInfo(zone) if zone else None):
            return self.get_response(request)


class PageMethodsMiddleware:
    """Pages know GET, HEAD and POST. Django's admin would take a PUT for a GET, and some pages one for a POST."""

    METHODS = ("GET", "HEAD", "POST")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin/") and request.method not in self.METHODS:
            return HttpResponseNotAllowed(self.METHODS)
        return self.get_response(request)
