"""*Connect*: the browser goes to the provider and comes back with a code.

What is out at the provider is remembered in the person's session, so only the browser that asked can bring the answer,
and each answer counts once. That the answer is a GET is OAuth's choice: it does nothing that was not begun by a POST.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from jobs.credential_tests import credential_test
from jobs.models import Credential
from jobs.oauth import BadAnswer, Pending, connect_begin, connect_finish, disconnect, nonce_of
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.models import Role
from openfn_platform.projects.sessions import session_take

SESSION = "credential_connections"
AT_ONCE = 5  # windows in which somebody is on the way at the same time


def callback_address() -> str:
    """What has to be registered at the provider as redirect address."""
    return f"{settings.PUBLIC_URL}{reverse('admin:jobs_credential_oauth_callback')}"


def environment_of(request: HttpRequest, credential: Credential) -> str:
    """The one that the page shows."""
    asked = request.POST.get("environment") or request.GET.get("environment")
    return (asked or credential.project.environment)[:30]


def connect(request: HttpRequest, credential: Credential, _values: dict[str, Any]) -> HttpResponse:
    begun = connect_begin(
        credential=credential,
        by=actor_of(request),
        callback=callback_address(),
        environment=environment_of(request, credential),
    )
    pending = dict(list(request.session.get(SESSION, {}).items())[1 - AT_ONCE :])
    request.session[SESSION] = {**pending, begun.pending.nonce: begun.pending.to_json()}
    return HttpResponseRedirect(begun.address)


def leave(request: HttpRequest, credential: Credential, _values: dict[str, Any]) -> str:
    disconnect(credential=credential, by=actor_of(request), environment=environment_of(request, credential))
    return "Its tokens are forgotten. To end them at the provider as well, revoke them there."


def callback_view(model_admin: ScopedAdmin, request: HttpRequest) -> HttpResponse:
    """GET: the browser is back."""
    try:
        pending = _taken(request)
    except BadAnswer as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(model_admin.url_of("changelist"))
    credential = model_admin.object_or_404(request, pending.credential)
    if not model_admin.may(request, Role.ADMIN, credential):
        raise PermissionDenied
    if "code" in request.GET:
        _finish(request, credential, pending)
    else:
        said = request.GET.get("error_description") or request.GET.get("error") or "it gave no reason"
        messages.error(request, f"The provider did not agree: {one_line(said, 300)}")
    query = urlencode({"environment": pending.environment})
    return HttpResponseRedirect(f"{model_admin.url_of('change', credential.pk)}?{query}")


def _taken(request: HttpRequest) -> Pending:
    """What this answer belongs to; it counts once."""
    remembered = session_take(request, name=SESSION, key=nonce_of(request.GET.get("state", "")))
    if remembered is None:
        raise BadAnswer()
    return Pending(**remembered)


def _finish(request: HttpRequest, credential: Credential, pending: Pending) -> None:
    by = actor_of(request)
    try:
        connect_finish(
            credential=credential,
            pending=pending,
            code=request.GET["code"],
            by=by,
            callback=callback_address(),
        )
    except PlatformError as error:
        messages.error(request, error.message)
        return
    messages.success(request, "Connected.")
    try:
        fresh = Credential.objects.get(pk=credential.pk)
        messages.success(request, credential_test(credential=fresh, by=by, environment=pending.environment))
    except PlatformError as error:
        messages.warning(request, f"Its test failed: {error.message}")
