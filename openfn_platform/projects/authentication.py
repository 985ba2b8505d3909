"""API authentication: `Authorization: Bearer ofp_…`."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from openfn_platform.common.clients import client_address
from openfn_platform.projects.models import ApiToken
from openfn_platform.projects.tokens import token_find


class Program:
    """Whoever holds a token; stands where Django expects a user."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False
    pk = None

    def __init__(self, token: ApiToken) -> None:
        self.token = token

    def __str__(self) -> str:
        return f"API token {self.token.name}"


class TokenAuthentication(BaseAuthentication):
    """A wrong token is told from none: the first is an answer of its own, the second asks for one."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, given = str(header).strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token_find(given.strip(), address=client_address(request.META))
        if token is None:
            raise AuthenticationFailed("This token is unknown, was revoked, or has expired.")
        return Program(token), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'
